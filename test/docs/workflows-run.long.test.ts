import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { fixtureApp } from '../rig/fixture-app.ts';
import { freePort } from '../rig/free-port.ts';
import { type GitServer, startGitServer } from '../rig/git-server.ts';
import { createHost, type Host } from '../rig/host.ts';
import { type JobRun, runWorkflow, type WorkflowOptions } from '../rig/job.ts';
import { ROOT } from '../rig/places.ts';
import { createRepository, type Repository } from '../rig/repository.ts';
import { codeBlocks } from './page-rules.ts';

/** The other guides' workflows are those of examples/, which test/e2e/frameworks runs. */
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
  return onHost(workflow, host);
}

function onHost(workflow: string, host: Host): string {
  const { host: address, port, username } = host.access;
  const replaced = workflow
    .replace(/host: (?:deploy@)?app\.example\.com/, `host: ${address}:${port}`)
    .replace('username: deploy', `username: ${username}`);
  expect(replaced).not.toBe(workflow);
  return replaced;
}

/** The step of a guide in a job of its own. It only looks whether it could deploy, so that each takes seconds. */
function checkOf(page: string, host: Host): string {
  const [step = ''] = codeBlocks(readFileSync(path.join(ROOT, page), 'utf8'), 'yaml').filter((code) =>
    code.startsWith('- uses: OWNER/'),
  );
  const { port, username } = host.access;
  const lines = step
    // What the guide keeps in variables is an address, too.
    .replace(/\$\{\{ vars\.HOST \}\}/, 'app.example.com')
    .replace(/\$\{\{ vars\.USERNAME \}\}/, username ?? '')
    .replace(/\$\{\{ vars\.PORT \}\}/, port ?? '')
    .replace(/path: \/home\/deploy\//, `path: ${host.directory}/`);
  const user = /username:/.test(lines) ? '' : `    username: ${username}\n`;
  const whole = `${lines.trimEnd()}\n${user}    mode: check\n`;
  return onHost(
    `on: push\npermissions: { contents: read }\njobs:\n  deploy:\n    runs-on: ubuntu-latest\n    steps:\n${whole.replace(/^/gm, '      ')}`,
    host,
  );
}

function run(
  workflow: string,
  host: Host,
  sha: string,
  event: WorkflowOptions['event'] = { name: 'push' },
  secrets: Record<string, string> = {},
  cancelAt?: RegExp,
): Promise<JobRun[]> {
  const key = host.access.key ?? '';
  const known = host.access['known-hosts'] ?? '';
  return runWorkflow(workflow, {
    ...(cancelAt && { cancelAt }),
    event,
    secrets: { DEPLOY_KEY: key, KEY: key, ...secrets },
    vars: { DEPLOY_KNOWN_HOSTS: known, KNOWN_HOSTS: known },
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
  timeout: 300_000,
}, async () => {
  await using host = await createHost();
  writeFileSync(path.join(host.directory, '.gitconfig'), `[http]\n\tsslCAInfo = ${github.ca}\n`);
  const port = await freePort();
  const commit = (version: string): string =>
    repository.commit(withFrontPage(fixtureApp({ name: 'app', version, port })));
  const served = async (): Promise<string> => (await fetch(`http://127.0.0.1:${port}/version`)).text();
  const first = commit('1');
  expect(outputsOf(await run(workflowOf(PAGE, host), host, first), 'success')).toMatchObject({
    outcome: 'deployed',
    sha: first,
  });
  expect(await served()).toBe('1');

  const second = commit('2');
  const deployed = outputsOf(await run(workflowOf(PAGE, host), host, second), 'success');
  expect(deployed).toMatchObject({
    outcome: 'deployed',
    sha: second,
    'previous-sha': first,
    'failed-requests': '0',
  });

  // Somebody cancels while the new version is watched: main says what it knows, and post has the verdict.
  const third = commit('3');
  const [cancelled] = await run(workflowOf(PAGE, host), host, third, { name: 'push' }, {}, /\] verifying/);
  expect(cancelled?.result, cancelled?.steps[0]?.run?.stdout).toBe('cancelled');
  expect(cancelled?.steps[0]?.run?.summary).toMatch(/^### ⏳ The job was cancelled/);
  expect(cancelled?.posts.map(({ code }) => code)).toEqual([0]);
  expect(cancelled?.posts[0]?.summary).toMatch(/^### ✅ app is live on host-1 at/);
  expect(await served()).toBe('3');

  // The same app by the buttons of docs/rollback.md.
  const press = (mode: string, ref = ''): Promise<JobRun[]> =>
    run(workflowOf('docs/rollback.md', host), host, third, {
      name: 'workflow_dispatch',
      inputs: { mode, ref },
    });
  expect(outputsOf(await press('status'), 'success')).toMatchObject({ outcome: 'unchanged', sha: third });
  expect(outputsOf(await press('check'), 'success')).toMatchObject({ outcome: 'unchanged' });
  expect(outputsOf(await press('rollback'), 'success')).toMatchObject({ outcome: 'deployed', sha: second });
  expect(await served()).toBe('2');
  expect(outputsOf(await press('deploy', 'gone'), 'failure')).toMatchObject({
    outcome: 'failed',
    sha: second,
  });
});

test('the guides, as written: a pull request gets a preview that goes with it, Slack hears of a deploy, and steps of old tools can deploy', {
  timeout: 300_000,
}, async () => {
  await using host = await createHost();
  writeFileSync(path.join(host.directory, '.gitconfig'), `[http]\n\tsslCAInfo = ${github.ca}\n`);
  const page = (name: string): string => `docs/guides/${name}.md`;

  // The preview's port is made of its number.
  const taken = async (number: number): Promise<boolean> =>
    fetch(`http://127.0.0.1:${20_000 + number}/`).then(
      () => true,
      () => false,
    );
  // It has up to four digits.
  const number = (await freePort()) - 20_000;
  expect(number).toBeLessThan(10_000);
  const [ecosystem = ''] = codeBlocks(readFileSync(path.join(ROOT, page('previews')), 'utf8'), 'js');
  const files = withFrontPage(fixtureApp({ name: 'shop', version: '1', port: 1 }));
  const sha = repository.commit({
    ...files,
    'ecosystem.config.js': ecosystem.replace("'server.js'", "'dist/server.js'"),
  });
  const preview = async (action: string, from: string): Promise<JobRun[]> =>
    run(workflowOf(page('previews'), host), host, sha, {
      name: 'pull_request',
      payload: { action, number, pull_request: { number, head: { sha, repo: { full_name: from } } } },
    });
  expect((await preview('opened', 'stranger/app'))[0]?.result).toBe('skipped');
  expect(outputsOf(await preview('opened', REPOSITORY), 'success')).toMatchObject({
    outcome: 'deployed',
    sha,
  });
  expect(await (await fetch(`http://127.0.0.1:${20_000 + number}/version`)).text()).toBe('1');
  expect(await host.pids(`shop-pr-${number}`)).toHaveLength(1);
  expect(outputsOf(await preview('closed', REPOSITORY), 'success')).toMatchObject({ outcome: 'removed' });
  expect(existsSync(path.join(host.directory, `previews/pr-${number}`))).toBe(false);
  expect(await taken(number)).toBe(false);

  const heard: string[] = [];
  const slack = http.createServer((request, response) => {
    request.setEncoding('utf8').on('data', (text: string) => heard.push(text));
    request.on('end', () => response.end('ok'));
  });
  const hook = await freePort();
  await new Promise<void>((resolve) => slack.listen(hook, '127.0.0.1', resolve));
  try {
    const port = await freePort();
    const bad = repository.commit(fixtureApp({ name: 'app', version: '2', port, flaw: 'build fails' }));
    const [deploy, notify] = await run(
      workflowOf(page('notify'), host),
      host,
      bad,
      { name: 'push' },
      {
        SLACK_WEBHOOK: `http://127.0.0.1:${hook}/`,
      },
    );
    expect([deploy?.result, notify?.result], notify?.steps[0]?.run?.stdout).toEqual(['failure', 'success']);
    expect(JSON.parse(heard.join(''))).toEqual({
      text: `Deploy: failed. Live: not known. ${github.url}/${REPOSITORY}/actions/runs/4711`,
    });
  } finally {
    slack.close();
  }

  for (const tool of ['appleboy-ssh-action', 'pm2-deploy', 'codedeploy', 'shipit'])
    expect(outputsOf(await run(checkOf(page(`from-${tool}`), host), host, sha), 'success')).toMatchObject({
      outcome: 'unchanged',
    });
});
