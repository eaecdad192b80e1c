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

/** The guides' workflows are those of examples/, which test/e2e/frameworks runs. */
const PAGE = 'README.md';
const REPOSITORY = 'octocat/app';

let github: GitServer;
let repository: Repository;

beforeAll(async () => {
  repository = createRepository();
  github = await startGitServer({
    repositories: { [REPOSITORY]: repository.path },
    reads: { ghs_madeUpTokenOfTheTestRig: [REPOSITORY] },
  });
});
afterAll(async () => {
  await github?.stop();
  repository?.remove();
});

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

function run(page: string, host: Host, sha: string, inputs?: Record<string, string>): Promise<JobRun[]> {
  return runWorkflow(workflowOf(page, host), {
    event: inputs === undefined ? { name: 'push' } : { name: 'workflow_dispatch', inputs },
    secrets: { DEPLOY_KEY: host.access.key },
    vars: { DEPLOY_KNOWN_HOSTS: host.access['known-hosts'] },
    env: { GITHUB_SERVER_URL: github.url, GITHUB_REPOSITORY: REPOSITORY, GITHUB_SHA: sha },
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

/** The app answers `/` as well, which the page asks for. */
function withFrontPage(files: Record<string, string>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(files).map(([name, text]) => [
      name,
      text.replace("request.url === '/version'", "['/', '/version'].includes(request.url)"),
    ]),
  );
}

test("README's workflow, as written, deploys a private repository, and the buttons of docs/rollback.md go back", {
  timeout: 180_000,
}, async () => {
  await using host = await createHost();
  writeFileSync(path.join(host.directory, '.gitconfig'), `[http]\n\tsslCAInfo = ${github.ca}\n`);
  const port = await freePort();
  const commit = (version: string): string =>
    repository.commit(withFrontPage(fixtureApp({ name: 'app', version, port })));
  const served = async (): Promise<string> => (await fetch(`http://127.0.0.1:${port}/version`)).text();
  const first = commit('1');
  expect(outputsOf(await run(PAGE, host, first), 'success')).toMatchObject({
    outcome: 'deployed',
    sha: first,
  });
  expect(await served()).toBe('1');

  const second = commit('2');
  const deployed = outputsOf(await run(PAGE, host, second), 'success');
  expect(deployed).toMatchObject({
    outcome: 'deployed',
    sha: second,
    'previous-sha': first,
    'failed-requests': '0',
  });

  // The same app by the buttons of docs/rollback.md.
  const press = (mode: string, ref = ''): Promise<JobRun[]> =>
    run('docs/rollback.md', host, second, { mode, ref });
  expect(outputsOf(await press('status'), 'success')).toMatchObject({ outcome: 'unchanged', sha: second });
  expect(outputsOf(await press('check'), 'success')).toMatchObject({ outcome: 'unchanged' });
  expect(outputsOf(await press('rollback'), 'success')).toMatchObject({ outcome: 'deployed', sha: first });
  expect(await served()).toBe('1');
  expect(outputsOf(await press('deploy', 'gone'), 'failure')).toMatchObject({
    outcome: 'failed',
    sha: first,
  });
});
