import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { fixtureApp } from '../rig/fixture-app.ts';
import { freePort } from '../rig/free-port.ts';
import { type GitServer, startGitServer } from '../rig/git-server.ts';
import { createHost, type Host } from '../rig/host.ts';
import { type JobRun, runWorkflow } from '../rig/job.ts';
import { ROOT } from '../rig/places.ts';
import { createRepository, type Repository } from '../rig/repository.ts';
import { codeBlocks } from './page-rules.ts';

/** The other guides show the workflows of examples/, which test/e2e/frameworks runs. */
const PAGES = ['README.md', 'docs/guides/nextjs.md'];

let github: GitServer;
const repositories = new Map<string, Repository>();

beforeAll(async () => {
  for (const page of PAGES) repositories.set(`octocat/${nameOf(page)}`, createRepository());
  github = await startGitServer({
    repositories: Object.fromEntries([...repositories].map(([name, { path }]) => [name, path])),
    reads: { ghs_madeUpTokenOfTheTestRig: [...repositories.keys()] },
  });
});
afterAll(async () => {
  await github?.stop();
  for (const repository of repositories.values()) repository.remove();
});

const nameOf = (page: string): string => path.basename(page, '.md').toLowerCase();

/** The workflow of a page, of which nothing is changed but the server and its user. */
function workflowOf(page: string, host: Host): string {
  const [workflow = ''] = codeBlocks(readFileSync(path.join(ROOT, page), 'utf8'), 'yaml').filter((code) =>
    /^jobs:/m.test(code),
  );
  const { host: address, port, username } = host.access;
  const replaced = workflow
    .replace('host: app.example.com', `host: ${address}:${port}`)
    .replace('username: deploy', `username: ${username}`);
  expect(replaced).not.toBe(workflow);
  return replaced;
}

function run(
  page: string,
  host: Host,
  repository: string,
  sha: string,
  inputs?: Record<string, string>,
): Promise<JobRun[]> {
  return runWorkflow(workflowOf(page, host), {
    event: inputs === undefined ? { name: 'push' } : { name: 'workflow_dispatch', inputs },
    secrets: { DEPLOY_KEY: host.access.key },
    vars: { DEPLOY_KNOWN_HOSTS: host.access['known-hosts'] },
    env: { GITHUB_SERVER_URL: github.url, GITHUB_REPOSITORY: repository, GITHUB_SHA: sha },
  });
}

/** The outputs of the one step of the one job; its post has nothing to do. */
function outputsOf(runs: readonly JobRun[], result: JobRun['result']): Record<string, string> {
  const [step] = runs[0]?.steps ?? [];
  expect(
    runs.map((each) => each.result),
    step?.run?.stdout,
  ).toEqual([result]);
  expect(runs[0]?.posts.map(({ code, stdout }) => [code, stdout])).toEqual([[0, '']]);
  return step?.run?.outputs ?? {};
}

/** The app answers `/` as well, which two of the pages ask for. */
function withFrontPage(files: Record<string, string>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(files).map(([name, text]) => [
      name,
      text.replace("request.url === '/version'", "['/', '/version'].includes(request.url)"),
    ]),
  );
}

test.each(PAGES)(
  'the workflow of %s, as written, deploys a private repository',
  async (page) => {
    await using host = await createHost();
    writeFileSync(path.join(host.directory, '.gitconfig'), `[http]\n\tsslCAInfo = ${github.ca}\n`);
    const name = nameOf(page);
    const repository = `octocat/${name}`;
    const port = await freePort();
    const commit = (version: string): string =>
      repositories.get(repository)?.commit(withFrontPage(fixtureApp({ name, version, port }))) ?? '';
    const served = async (): Promise<string> => (await fetch(`http://127.0.0.1:${port}/version`)).text();
    const first = commit('1');
    expect(outputsOf(await run(page, host, repository, first), 'success')).toMatchObject({
      outcome: 'deployed',
      sha: first,
    });
    expect(await served()).toBe('1');
    if (page !== 'README.md') return;

    const second = commit('2');
    const deployed = outputsOf(await run(page, host, repository, second), 'success');
    expect(deployed).toMatchObject({
      outcome: 'deployed',
      sha: second,
      'previous-sha': first,
      'failed-requests': '0',
    });

    // The same app by the buttons of docs/rollback.md.
    const press = (mode: string, ref = ''): Promise<JobRun[]> =>
      run('docs/rollback.md', host, repository, second, { mode, ref });
    expect(outputsOf(await press('status'), 'success')).toMatchObject({ outcome: 'unchanged', sha: second });
    expect(outputsOf(await press('check'), 'success')).toMatchObject({ outcome: 'unchanged' });
    expect(outputsOf(await press('rollback'), 'success')).toMatchObject({ outcome: 'deployed', sha: first });
    expect(await served()).toBe('1');
    expect(outputsOf(await press('deploy', 'gone'), 'failure')).toMatchObject({
      outcome: 'failed',
      sha: first,
    });
  },
  180_000,
);
