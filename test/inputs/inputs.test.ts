import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { DEFAULTS, INPUT_NAMES, nearestInput } from '../../src/inputs/names.ts';
import { InputsError } from '../../src/inputs/problem.ts';
import { type Inputs, readInputs, type Wishes } from '../../src/inputs.ts';
import { readWorkflow } from '../../src/workflow.ts';

const SHA = 'c0ffee0123456789c0ffee0123456789c0ffee01';
const FINGERPRINT = `SHA256:${'a'.repeat(43)}`;
const OTHER = `SHA256:${'b'.repeat(43)}`;
const KEY = makeKey('');
const LOCKED_KEY = makeKey('open sesame');
const HOST_KEY = `ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI${'A'.repeat(43)}`;
const GITHUB = { GITHUB_REPOSITORY: 'acme/shop', GITHUB_SHA: SHA, GITHUB_EVENT_NAME: 'push' };
const GOOD = { host: 'app.example.com', username: 'deploy', key: KEY, path: '/srv/shop' };

/** Reads inputs as the runner would hand them over, on top of a set that is complete. */
function read(
  given: Record<string, string>,
  github: Record<string, string> = {},
  masked: string[] = [],
): Omit<Inputs, 'plan'> & Wishes & { destination: Inputs['destinations'][0] } {
  const inputs = Object.entries({ ...GOOD, ...given });
  const env = {
    ...GITHUB,
    ...github,
    ...Object.fromEntries(inputs.map(([name, value]) => [`INPUT_${name.toUpperCase()}`, value])),
  };
  const { plan, ...rest } = readInputs(env, readWorkflow(env), (secret) => masked.push(secret));
  return { ...rest, ...plan, destination: rest.destinations[0] };
}

function messageOf(given: Record<string, string>, github: Record<string, string> = {}): string {
  try {
    read(given, github);
  } catch (error) {
    if (error instanceof InputsError) return error.message;
    throw error;
  }
  return '';
}

function makeKey(passphrase: string): string {
  const directory = mkdtempSync(path.join(tmpdir(), 'key-'));
  try {
    const file = path.join(directory, 'key');
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', passphrase, '-f', file]);
    return readFileSync(file, 'utf8');
  } finally {
    rmSync(directory, { recursive: true });
  }
}

test('a minimal set of inputs gives the documented defaults', () => {
  const { destination, destinations, ...rest } = read({});
  expect(destinations).toHaveLength(1);
  const { key, ...place } = destination;
  expect(key?.type).toBe('ssh-ed25519');
  expect(place).toEqual({
    label: 'host-1',
    host: 'app.example.com',
    shownHost: 'app.example.com',
    port: 22,
    username: 'deploy',
    password: null,
    agent: null,
    hostKey: { kind: 'none' },
    hops: [],
    timeout: 30_000,
    retries: 3,
  });
  expect(rest).toEqual({
    mode: 'deploy',
    force: false,
    shellInit: null,
    github: { deployment: false, environment: 'production', environmentUrl: null, token: '' },
    fleet: { maxParallel: { kind: 'hosts', count: 1 }, scope: 'fleet' },
    path: '/srv/shop',
    ref: SHA,
    source: { kind: 'git' },
    upload: null,
    refOrigin: 'workflow',
    allowUntrackedRef: false,
    repository: { url: 'https://github.com/acme/shop.git', given: false },
    gitToken: null,
    envFile: null,
    keepAssets: null,
    workingDirectory: '',
    container: null,
    steps: {
      install: { kind: 'default' },
      build: { kind: 'default' },
      migrate: { kind: 'none' },
      'before-reload': { kind: 'none' },
      'after-reload': { kind: 'none' },
    },
    apps: [],
    ecosystem: null,
    script: null,
    pm2Env: null,
    pm2Version: null,
    onConfigChange: 'apply',
    localChanges: 'fail',
    save: true,
    commandTimeout: 900_000,
    healthTimeout: 60_000,
    stableFor: 10_000,
    lockTimeout: 900_000,
    layout: { kind: 'in-place' },
    keepReleases: 5,
    logLines: 0,
    freshInstall: false,
    canary: 'auto',
    handover: 'auto',
    drain: 'auto',
    healthUrl: null,
  });
});

test('a rollback, a status and a removal are not about the commit of the workflow', () => {
  expect(read({ mode: 'rollback' })).toMatchObject({ mode: 'rollback', ref: null });
  expect(read({ mode: 'rollback', ref: 'v1.2.0' })).toMatchObject({ ref: 'v1.2.0' });
  expect(read({ mode: 'status' })).toMatchObject({ ref: null });
  expect(read({ mode: 'status', 'log-lines': '50' })).toMatchObject({ logLines: 50 });
  expect(messageOf({ 'log-lines': '50' })).toContain('`mode` is not status');
  expect(messageOf({ mode: 'status', 'log-lines': '501' })).toContain('a whole number from 0 to 500');
  expect(read({ mode: 'remove' })).toMatchObject({ ref: null });
  expect(read({ mode: 'check' })).toMatchObject({ ref: SHA });
  expect(messageOf({ mode: 'undo' })).toContain('`deploy` or `rollback` or `check` or `status` or `remove`');
  expect(messageOf({ mode: 'remove', host: 'a, b' })).toContain('`remove` with one server');
  expect(read({ force: 'True' })).toMatchObject({ force: true });
});

test('names and defaults are those of action.yml', () => {
  const action = parse(readFileSync('action.yml', 'utf8')) as {
    inputs: Record<string, { default?: string }>;
  };
  const declared = Object.entries(action.inputs).map(([name, input]) => [name, input.default ?? '']);
  expect(Object.fromEntries(declared)).toEqual(DEFAULTS);
});

describe('host', () => {
  test.each([
    ['app.example.com', { host: 'app.example.com', port: 22, username: 'deploy' }, 'host-1'],
    ['root@10.0.0.7:2222', { host: '10.0.0.7', port: 2222, username: 'root' }, 'host-1'],
    ['web-1=app.example.com', { host: 'app.example.com' }, 'web-1'],
    ['web-1=me@[2001:db8::1]:2200', { host: '2001:db8::1', port: 2200, username: 'me' }, 'web-1'],
    ['[::1]', { host: '::1', port: 22 }, 'host-1'],
    ['corp\\me@h', { username: 'corp\\me' }, 'host-1'],
    ['\n app.example.com,\n', { host: 'app.example.com' }, 'host-1'],
  ])('%j', (host, destination, label) => {
    const inputs = read({ host });
    expect(inputs.destination).toMatchObject({ ...destination, label });
  });

  test.each([
    ['', 'a host is needed'],
    ['a,b,a', 'host-1 and host-3 are the same user at the same host and port'],
    ['web=a,web=b', '"web" is the label of two hosts'],
    ['host-2=a,b', '"host-2" is the label of two hosts'],
    ['a,b c', 'neither a name nor an address'],
    ['2001:db8::1', 'several colons'],
    ['[nonsense]', 'not an IPv6 address'],
    ['-oProxyCommand=id', 'cannot be used'],
    ['-oProxyCommand', 'neither a name nor an address'],
    ['--x@host', 'cannot be a login name'],
    ['ho st', 'neither a name nor an address'],
    ['$(id)', 'neither a name nor an address'],
    ['ssh://host', 'it is a URL'],
    ['host:0', 'not a port'],
    ['host:65536', 'not a port'],
    ['host:ssh', 'not a port'],
    ['=host', 'label'],
    ['we b=host', 'label'],
    ['münchen.example', 'xn--'],
    ['@host', 'a user is needed'],
  ])('%j is refused: %s', (host, why) => {
    expect(messageOf({ host })).toContain(why);
  });

  test('several hosts, each with its own label, user and port, or what stands for them', () => {
    const { destinations } = read({ host: 'web-1=a,\n root@b:2222 , [::1]' });
    expect(destinations.map(({ label, username, host, port }) => [label, username, host, port])).toEqual([
      ['web-1', 'deploy', 'a', 22],
      ['host-2', 'root', 'b', 2222],
      ['host-3', 'deploy', '::1', 22],
    ]);
    expect(destinations.map(({ shownHost }) => shownHost)).toEqual([null, null, null]);
    expect(messageOf({ host: 'me@a,b', username: '' })).toContain('`username` is not given');
    expect(messageOf({ host: 'a, root@a, me@A.:22', username: 'me' })).toContain(
      'host-1 and host-3 are the same',
    );
  });

  test('fingerprints of several hosts are each bound to one of them', () => {
    expect(messageOf({ host: 'a,b', fingerprint: FINGERPRINT })).toContain('an entry is bound to no host');
    const { destinations } = read({ host: 'web=a,b', fingerprint: `web=${FINGERPRINT}, b=${OTHER}` });
    expect(destinations.map(({ hostKey }) => hostKey)).toEqual([
      { kind: 'fingerprints', list: [FINGERPRINT] },
      { kind: 'fingerprints', list: [OTHER] },
    ]);
  });

  test.each([
    ['3', { kind: 'hosts', count: 3 }],
    ['25%', { kind: 'percent', percent: 25 }],
    ['100 %', { kind: 'percent', percent: 100 }],
  ])('max-parallel %j', (given, maxParallel) => {
    expect(read({ 'max-parallel': given }).fleet).toEqual({ maxParallel, scope: 'fleet' });
  });

  test.each(['0', '0%', '101%', '-1', '1.5', 'all', '10%%'])('max-parallel %j is refused', (given) => {
    expect(messageOf({ 'max-parallel': given })).toContain('a number of hosts from 1 on');
  });

  test('rollback-scope is one of two', () => {
    expect(read({ 'rollback-scope': 'host' }).fleet.scope).toBe('host');
    expect(messageOf({ 'rollback-scope': 'all' })).toContain('`fleet` or `host`');
  });

  test('a password in it is not shown', () => {
    const message = messageOf({ host: 'deploy:hunter2@host' });
    expect(message).toContain('***@host');
    expect(message).not.toContain('hunter2');
  });

  test('a user is needed, in one of two places', () => {
    expect(messageOf({ username: '' })).toContain('`username` is not given');
    expect(read({ username: '', host: 'me@h' }).destination.username).toBe('me');
  });
});

describe('ref', () => {
  test.each([
    'main',
    'feature/login',
    'v1.2.3',
    'refs/tags/v1',
    'größe',
    SHA,
    'a'.repeat(64),
    ';touch',
    '$(id)',
    "it's",
  ])('%s is taken as it is', (ref) => {
    expect(read({ ref }).ref).toBe(ref);
  });

  test('a commit id in upper case is written in lower case', () => {
    expect(read({ ref: SHA.toUpperCase() }).ref).toBe(SHA);
  });

  test.each([
    '--upload-pack=x',
    '-x',
    ';touch pwned',
    'a..b',
    'a b',
    'a\tb',
    'a\x1bb',
    'a\u200bb',
    'a~1',
    'a^',
    'a:b',
    'a?',
    'a*',
    'a[b',
    'a\\b',
    '/a',
    'a/',
    'a//b',
    '.a',
    'a/.b',
    'a.lock',
    'a.lock/b',
    'a.',
    '@',
    'a@{1}',
    '0'.repeat(40),
    'x'.repeat(1_001),
  ])('%j is refused', (ref) => {
    expect(messageOf({ ref })).toMatch(
      /^One input cannot be used:\n- `ref` is ".*It takes a branch, a tag or/,
    );
  });

  test('is refused on pull_request_target unless it is given', () => {
    const github = { GITHUB_EVENT_NAME: 'pull_request_target' };
    expect(messageOf({}, github)).toContain('pull_request_target');
    expect(read({ ref: 'main' }, github).ref).toBe('main');
  });

  test('has to be given where the runner names no commit', () => {
    expect(messageOf({}, { GITHUB_SHA: '' })).toContain('GITHUB_SHA names no commit');
  });
});

describe('who chose the ref', () => {
  const origin = (given: string, event: string, payload: unknown): string =>
    withEvent(event, payload, (github) => read({ ref: given }, github).refOrigin);
  const pull = (fullName: string | null) => ({
    pull_request: { head: { repo: fullName === null ? null : { full_name: fullName } } },
  });

  test.each([
    ['a push', '', 'push', {}, 'workflow'],
    ["a push whose commit is given as the workflow's", SHA, 'push', {}, 'workflow'],
    ['another commit', 'a'.repeat(40), 'push', {}, 'input'],
    ['a branch', 'main', 'push', {}, 'input'],
    ['a pull request of this repository', '', 'pull_request', pull('Acme/Shop'), 'workflow'],
    ['a pull request of a fork', '', 'pull_request', pull('mallory/shop'), 'fork'],
    ['a review of a pull request of a fork', SHA, 'pull_request_review', pull('mallory/shop'), 'fork'],
    ['a pull request of a fork that is gone', '', 'pull_request', pull(null), 'fork'],
    ['a pull request without a payload', '', 'pull_request', '', 'fork'],
    ["a fork's event, with a branch", 'main', 'pull_request', pull('mallory/shop'), 'input'],
    ['the commit of pull_request_target', SHA, 'pull_request_target', pull('acme/shop'), 'input'],
  ])('%s', (_, given, event, payload, expected) => {
    expect(origin(given, event, payload)).toBe(expected);
  });
});

/** Runs with the variables of an event whose payload lies in a file. */
function withEvent<T>(name: string, payload: unknown, work: (github: Record<string, string>) => T): T {
  const directory = mkdtempSync(path.join(tmpdir(), 'event-'));
  try {
    const file = path.join(directory, 'event.json');
    writeFileSync(file, typeof payload === 'string' ? payload : JSON.stringify(payload));
    return work({ GITHUB_EVENT_NAME: name, GITHUB_EVENT_PATH: file });
  } finally {
    rmSync(directory, { recursive: true });
  }
}

describe('ref on workflow_run', () => {
  const tested = 'deadbeef'.repeat(5);
  const good = { conclusion: 'success', head_sha: tested, head_repository: { full_name: 'Acme/shop' } };

  function onWorkflowRun<T>(payload: unknown, work: (github: Record<string, string>) => T): T {
    return withEvent('workflow_run', payload, work);
  }

  test('is the commit that was tested, not the tip of the default branch', () => {
    expect(onWorkflowRun({ workflow_run: good }, (github) => read({}, github)).ref).toBe(tested);
  });

  test.each([
    ['a run that failed', { ...good, conclusion: 'failure' }, 'did not succeed (it ended as "failure")'],
    ['a run that goes on', { ...good, conclusion: null }, 'did not succeed (it ended as null)'],
    ['a fork', { ...good, head_repository: { full_name: 'mallory/shop' } }, '"mallory/shop"'],
    ['a fork that is gone', { ...good, head_repository: null }, 'a repository that is gone'],
    ['no commit', { ...good, head_sha: 'main' }, 'does not say which commit'],
  ])('%s is refused', (_, run, why) => {
    expect(onWorkflowRun({ workflow_run: run }, (github) => messageOf({}, github))).toContain(why);
  });

  test.each(['', 'null', '[]', '{', '{"workflow_run":null}'])('the payload %j is refused', (payload) => {
    expect(onWorkflowRun(payload, (github) => messageOf({}, github))).toContain('does not say which commit');
  });
});

describe('repository', () => {
  test.each([
    ['acme/api', 'https://github.com/acme/api.git'],
    ['https://gitlab.example/a/b/c.git', null],
    ['ssh://git@github.com:2222/acme/api.git', null],
    ['git@github.com:acme/api.git', null],
    ['file:///srv/git/api.git', null],
    ['/srv/git/my api.git', null],
  ])('%s', (repository, url) => {
    expect(read({ repository }).repository).toEqual({ url: url ?? repository, given: true });
  });

  test('owner/name is on the server of the workflow', () => {
    const { repository } = read({ repository: 'acme/api' }, { GITHUB_SERVER_URL: 'https://git.example/' });
    expect(repository.url).toBe('https://git.example/acme/api.git');
  });

  test.each([
    '--upload-pack=x',
    'ext::sh -c id',
    'git@host:-x',
    'git@host::x',
    '-oProxyCommand=id@host:x',
    'git@-oProxyCommand=id:x',
    'ssh://-oProxyCommand=id/x',
    'ssh://%2doProxyCommand=id@host/x',
    'ssh://%zz@host/x',
    'http://host/x',
    'git://host/x',
    'https://host/a b',
    'https:///x',
    'https://host\\@evil.example/x',
    'fd::17',
    'file://host/x',
    '../x',
    'a/b/c',
    '/srv/\x1b[2J',
  ])('%j is refused', (repository) => {
    expect(messageOf({ repository })).toMatch(/^One input cannot be used:\n- `repository` is "/);
  });

  test.each([
    'https://me:s3cret-token@host/x',
    'https://s3cret-token@host/x',
    'ssh://git:s3cret-token@host/x',
  ])('%s is refused, and what it carries is not shown', (repository) => {
    const message = messageOf({ repository });
    expect(message).toContain('it carries a name or password');
    expect(message).not.toContain('s3cret-token');
  });
});

describe('paths', () => {
  test.each(['/srv/shop', '~/shop', 'apps/shop', '/srv/my \'shop\' "x"', '/srv/$(id)'])(
    'path %s',
    (given) => {
      expect(read({ path: given }).path).toBe(given);
    },
  );

  test.each(['', '/', '//', '/.', '/srv/..', '~', '~/', '.', '~root/x', '/srv/a\nb', '/srv/\u202ex'])(
    'path %j is refused',
    (given) => {
      expect(messageOf({ path: given })).toContain('- `path` is ');
    },
  );

  test.each([
    ['', ''],
    ['.', ''],
    ['./apps/web/', 'apps/web'],
    ['apps/web', 'apps/web'],
  ])('working-directory %j', (given, normal) => {
    expect(read({ 'working-directory': given }).workingDirectory).toBe(normal);
  });

  test.each(['..', '../x', 'a/../../b', '/abs', '~/x', 'a\0b'])('%j is no relative place', (given) => {
    const message = messageOf({ 'working-directory': given, ecosystem: given });
    expect(message).toContain('`working-directory` is "');
    expect(message).toContain('`ecosystem` is "');
  });
});

describe('durations', () => {
  test.each([
    ['500ms', 500],
    ['30s', 30_000],
    ['10m', 600_000],
    ['1h', 3_600_000],
    ['0s', 0],
  ])('%s', (given, milliseconds) => {
    expect(read({ 'lock-timeout': given }).lockTimeout).toBe(milliseconds);
  });

  test.each([
    ['30', 'it has no unit'],
    ['1.5s', 'it is not a duration'],
    ['-1s', 'it is not a duration'],
    ['1 s', 'it is not a duration'],
    ['1d', 'it is not a duration'],
    ['999999999999h', 'it is too long'],
  ])('%s is refused: %s', (given, why) => {
    expect(messageOf({ 'lock-timeout': given })).toContain(why);
  });

  test('none is longer than a timer can wait', () => {
    for (const name of INPUT_NAMES.filter((each) => /timeout|stable-for/.test(each))) {
      expect(messageOf({ [name]: '25h' })).toContain(`\`${name}\` is "25h"`);
    }
  });

  test.each([
    ['http://127.0.0.1:3000/health', 'http://127.0.0.1:3000/health'],
    ['HTTPS://shop.example.com', 'https://shop.example.com/'],
    ['http://[::1]:80/a b'.replace(' ', '%20'), 'http://[::1]/a%20b'],
    ['http://localhost:3000/health?key=1#top', 'http://localhost:3000/health?key=1'],
    [':3000/health', 'http://localhost:3000/health'],
    [':3000', 'http://localhost:3000/'],
    ['/health?deep=1', '/health?deep=1'],
    ['/', '/'],
    ['/.//evil.example', '/evil.example'],
  ])('health-url %s is asked as %s', (given, asked) => {
    expect(read({ 'health-url': given }).healthUrl).toBe(asked);
  });

  test.each([
    ['127.0.0.1:3000/health', 'begins with neither http://'],
    ['localhost:3000/health', 'begins with neither http://'],
    ['health', 'begins with neither http://'],
    ['ftp://h/health', 'neither http:// nor https://'],
    ['file:///etc/passwd', 'neither http:// nor https://'],
    ['//evil.example/health', 'it names a host without'],
    ['/\\\\evil.example/health', 'it names a host without'],
    ['http://', 'it is not a URL'],
    ['http://h:99999/', 'it is not a URL'],
    [':99999/', 'it is not a URL'],
    [':0/health', 'it is not a URL'],
    ['http://h/a b', 'a blank or an invisible character'],
    ['http://h/\r\nHost: x', 'a blank or an invisible character'],
    ['http://h/\u200b', 'a blank or an invisible character'],
    ['http://me:hunter2@h/health', 'it holds a login'],
    ['http://hunter2@h/health', 'it holds a login'],
    ['h/health?key=hunter2', 'begins with neither http://'],
    ['hunter2@h/health', 'begins with neither http://'],
    ['http://h/a b?key=hunter2', 'a blank or an invisible character'],
  ])('health-url %j is refused: %s', (given, why) => {
    const message = messageOf({ 'health-url': given });
    expect(message).toMatch(/^One input.*\n- `health-url` is /);
    expect(message).toContain(why);
    expect(message).not.toContain('hunter2');
  });

  test('a password in username is not shown', () => {
    const message = messageOf({ username: 'deploy:hunter2' });
    expect(message).toContain('`username` is "deploy:***": it holds a colon');
    expect(message).not.toContain('hunter2');
  });

  test('stable-for has to fit into health-timeout', () => {
    expect(messageOf({ 'stable-for': '61s' })).toContain('longer than `health-timeout`, 60s');
    expect(messageOf({ 'stable-for': '5s', 'health-timeout': 'soon' })).toMatch(
      /^One input.*\n- `health-timeout`/,
    );
  });
});

describe('settings', () => {
  test('env-file is taken as it was given, and never shown in an error', () => {
    const content = '\n  A="b"  \r\n\n';
    expect(read({ 'env-file': content }).envFile).toEqual({ content, path: '.env' });
    expect(read({ 'env-file': '', 'env-file-path': 'x/.env' }).envFile).toBeNull();
    for (const [given, why] of [
      ['/etc/env', 'it is not relative'],
      ['../.env', 'it holds ".."'],
      ['config/', 'it names a directory'],
      ['.git/config', 'it lies in `.git`'],
    ] as const) {
      const message = messageOf({ 'env-file': 'SECRET=hunter2', 'env-file-path': given });
      expect(message).toContain(`\`env-file-path\` is "${given}": ${why}`);
      expect(message).not.toContain('hunter2');
    }
  });

  test('keep-assets', () => {
    expect(read({ 'keep-assets': './dist/assets/, public/*/build\n.next/static/**' }).keepAssets).toEqual([
      'dist/assets',
      'public/*/build',
      '.next/static/**',
    ]);
    expect(read({ 'keep-assets': 'None' }).keepAssets).toEqual([]);
    for (const [given, why] of [
      ['/srv/app/dist', 'it is not relative'],
      ['../dist', 'it holds ".."'],
      ['.', 'it names the whole app'],
      ['**/assets', 'it names the whole app'],
      ['?*/assets', 'it names the whole app'],
      ['node_modules/x', 'it lies in `.git` or `node_modules`'],
      ['dist/[{]a}', 'it has braces'],
    ] as const) {
      expect(messageOf({ 'keep-assets': given })).toContain(`\`keep-assets\` is "${given}": ${why}`);
    }
  });

  test('layout and shared', () => {
    expect(read({ layout: 'Releases', shared: 'uploads/, ./data\nuploads' }).layout).toEqual({
      kind: 'releases',
      shared: ['uploads', 'data'],
    });
    expect(messageOf({ layout: 'flat' })).toContain('`layout` is "flat"');
    expect(messageOf({ shared: 'uploads' })).toContain(
      '`layout` is not releases, and everything is shared then',
    );
    for (const [given, why] of [
      ['/srv/uploads', 'it is not relative'],
      ['../uploads', 'it holds ".."'],
      ['./', 'it names the whole app'],
      ['a/node_modules', 'it lies in `.git` or `node_modules`'],
    ] as const)
      expect(messageOf({ layout: 'releases', shared: given })).toContain(`\`shared\` is "${given}": ${why}`);
  });

  test('steps', () => {
    const given = {
      'install-command': 'none',
      'build-command': 'npm run a\nnpm run b',
      'migrate-command': 'npm run migrate',
      'before-reload-command': 'none',
    };
    expect(read(given).steps).toEqual({
      install: { kind: 'none' },
      build: { kind: 'command', command: 'npm run a\nnpm run b' },
      migrate: { kind: 'command', command: 'npm run migrate' },
      'before-reload': { kind: 'none' },
      'after-reload': { kind: 'none' },
    });
  });

  test('an app name is any text that can be seen', () => {
    expect(read({ app: '$(id), my app\n`x`' }).apps).toEqual(['$(id)', 'my app', '`x`']);
    expect(messageOf({ app: '--all' })).toContain('a name begins with a dash');
    expect(messageOf({ app: 'a\x07b' })).toContain('invisible');
  });

  test('script takes a file of the app and one name, and no ecosystem file', () => {
    expect(read({ script: './dist/server.js', app: 'my app' })).toMatchObject({
      script: 'dist/server.js',
      apps: ['my app'],
      ecosystem: null,
    });
    for (const bad of ['..', '../x.js', '/srv/x.js', '~/x.js', './', 'a\nb']) {
      expect(messageOf({ script: bad, app: 'web' })).toContain('- `script` is "');
    }
    const message = (more: Record<string, string>) => messageOf({ script: 'a.js', app: 'web', ...more });
    expect(message({ app: '' })).toContain('`app` has no name');
    expect(message({ app: 'api,worker' })).toContain('`app` has 2 names');
    expect(message({ ecosystem: 'e.config.js' })).toContain('`ecosystem` is given as well');
    expect(message({ 'pm2-env': 'production' })).toContain('`pm2-env` is given as well');
  });

  test('pm2-env', () => {
    expect(read({ 'pm2-env': 'production' }).pm2Env).toBe('production');
    for (const bad of ['--x', 'a b', '$(id)'])
      expect(messageOf({ 'pm2-env': bad })).toContain('`pm2-env` is');
  });

  test('pm2-version', () => {
    for (const good of ['7', '7.0', '7.0.4']) expect(read({ 'pm2-version': good }).pm2Version).toBe(good);
    for (const bad of ['v7', 'latest', '^7', '7.0.4-beta', '7.', '--x'])
      expect(messageOf({ 'pm2-version': bad })).toContain('It takes one to three numbers');
  });

  test('local-changes', () => {
    expect(read({ 'local-changes': 'save' }).localChanges).toBe('save');
    expect(messageOf({ 'local-changes': 'drop' })).toContain('It takes `fail` or `save`.');
  });

  test('on-config-change', () => {
    expect(read({ 'on-config-change': 'fail' }).onConfigChange).toBe('fail');
    expect(messageOf({ 'on-config-change': 'ask' })).toContain('It takes `apply` or `fail`.');
  });

  test('save', () => {
    expect(read({ save: 'False' }).save).toBe(false);
    expect(messageOf({ save: 'no' })).toContain(
      '`save` is "no": it is not one of its values. It takes `true` or `false`.',
    );
  });
});

describe('the login', () => {
  test.each([
    ['', 'nothing to log in with'],
    ['~/.ssh/id_ed25519', 'a path to a file'],
    [HOST_KEY, 'a public key'],
    ['***', 'only asterisks'],
    [LOCKED_KEY, 'passphrase is not set'],
  ])('a key is checked before anything is connected (%#: %s)', (key, why) => {
    const message = messageOf({ key });
    expect(message).toContain(why);
    expect(message).toMatch(/^One input.*\n- `key`/);
    if (key.length > 3) expect(message.replaceAll('~/.ssh/id_ed25519,', '')).not.toContain(key.slice(-20));
  });

  test('a locked key is opened with its passphrase', () => {
    expect(read({ key: LOCKED_KEY, passphrase: 'open sesame' }).destination.key?.type).toBe('ssh-ed25519');
    expect(messageOf({ key: LOCKED_KEY, passphrase: 'open says me' })).toContain('does not unlock the key');
    expect(messageOf({ key: '', password: 'secret', passphrase: 'open sesame' })).toContain(
      'no `key` to unlock',
    );
  });

  test('a password serves without a key', () => {
    expect(read({ key: '', password: 'correct horse' }).destination).toMatchObject({
      key: null,
      password: 'correct horse',
    });
  });

  test('an ssh-agent serves where there is neither key nor password', () => {
    const agent = { SSH_AUTH_SOCK: '/run/agent.sock' };
    expect(read({ key: '' }, agent).destination).toMatchObject({
      key: null,
      password: null,
      agent: '/run/agent.sock',
    });
    expect(read({}, agent).destination.agent).toBeNull();
    expect(read({ key: '', password: 'correct horse' }, agent).destination.agent).toBeNull();
    expect(messageOf({ key: '' }, { SSH_AUTH_SOCK: '' })).toContain('there is nothing to log in with');
  });

  test('an address is shown only where it is all of the input, since a part of a secret is not masked', () => {
    expect(read({ host: '10.0.0.7' }).destination.shownHost).toBe('10.0.0.7');
    expect(read({ host: 'me@10.0.0.7:22' }).destination.shownHost).toBeNull();
  });
});

describe('the way there', () => {
  test('a hop has the user and the key of the host, port 22, and no password', () => {
    const { destination } = read({
      host: 'me@h:2222',
      port: '2200',
      'proxy-jump': 'bastion',
      password: 'correct horse',
    });
    expect(destination.hops).toEqual([
      {
        label: 'hop-1',
        host: 'bastion',
        port: 22,
        shownHost: 'bastion',
        setBy: 'proxy-jump',
        username: 'me',
        key: destination.key,
        agent: null,
        hostKey: { kind: 'none' },
      },
    ]);
    expect(destination.password).toBe('correct horse');
  });

  test('several hops, as OpenSSH takes them, each with what it says of itself', () => {
    const proxyJump = 'outer=root@10.0.0.1:2201,[2001:db8::1],\n corp\\me@[::1]:22, d.example.com';
    const hops = read({ 'proxy-jump': proxyJump }).destination.hops ?? [];
    expect(
      hops.map(({ label, host, port, username, shownHost }) => [label, username, host, port, shownHost]),
    ).toEqual([
      ['outer', 'root', '10.0.0.1', 2201, null],
      ['hop-2', 'deploy', '2001:db8::1', 22, null],
      ['hop-3', 'corp\\me', '::1', 22, null],
      ['hop-4', 'deploy', 'd.example.com', 22, null],
    ]);
    expect(read({ 'proxy-jump': 'none' }).destination.hops).toEqual([]);
  });

  test('a hop may have a key of its own', () => {
    const given = { 'proxy-jump': 'b', 'proxy-key': LOCKED_KEY, 'proxy-passphrase': 'open sesame' };
    const { destination } = read(given);
    expect(destination.hops?.[0]?.key?.fingerprint).not.toBe(destination.key?.fingerprint);
    const masked: string[] = [];
    read(given, {}, masked);
    expect(masked).toEqual(expect.arrayContaining(['open sesame', LOCKED_KEY.split('\n')[2]]));
  });

  test('a hop gets the agent where there is no key for it', () => {
    const given = { key: '', password: 'correct horse', 'proxy-jump': 'a' };
    const { destination } = read(given, { SSH_AUTH_SOCK: '/tmp/agent' });
    expect(destination).toMatchObject({ agent: null, hops: [{ key: null, agent: '/tmp/agent' }] });
  });

  test.each([
    [{ 'proxy-jump': 'a:b:c' }, 'several colons'],
    [{ 'proxy-jump': 'ssh://a' }, 'it is a URL'],
    [{ 'proxy-jump': '-oProxyCommand=id' }, 'cannot be used'],
    [{ 'proxy-jump': 'host-1=a' }, '"host-1" is the label of two hosts'],
    [{ 'proxy-jump': 'x=a,x=b' }, '"x" is the label of two hosts'],
    [{ 'proxy-jump': 'a', key: '', password: 'secret' }, 'nothing to log in to the hops with'],
    [{ 'proxy-jump': 'a', 'proxy-key': HOST_KEY }, 'a public key'],
    [{ 'proxy-jump': 'a', 'proxy-key': LOCKED_KEY }, 'proxy-passphrase is not set'],
    [{ 'proxy-jump': 'a', 'proxy-key': LOCKED_KEY }, 'Set proxy-passphrase to the passphrase of the key'],
    [{ 'proxy-key': KEY }, 'no hop to use it for'],
    [{ 'proxy-jump': 'a', 'proxy-passphrase': 'open sesame' }, 'no `proxy-key` to unlock'],
    [{ 'connect-retries': '11' }, 'a whole number from 0 to 10'],
    [{ 'connect-retries': '-1' }, 'a whole number from 0 to 10'],
    [{ 'proxy-jump': 'a', fingerprint: FINGERPRINT }, 'host-1=SHA256:…, hop-1=SHA256:…'],
    [
      { 'proxy-jump': 'a', fingerprint: `hop-1=${FINGERPRINT},${OTHER}` },
      'bound to no host, and there are 2',
    ],
  ])('%j is refused: %s', (given, why) => {
    expect(messageOf(given)).toContain(why);
  });

  test('fingerprints go to the hosts that they are bound to, by label or address, and to no other', () => {
    const { destination } = read({
      host: 'web=[2001:db8::1]',
      'proxy-jump': 'Bastion.example.com,10.0.0.2',
      fingerprint: `[2001:db8::1]=${FINGERPRINT} , bastion.example.com=${OTHER}, web=${OTHER}`,
    });
    expect(destination.hostKey).toEqual({ kind: 'fingerprints', list: [FINGERPRINT, OTHER] });
    expect(destination.hops?.map(({ hostKey }) => hostKey)).toEqual([
      { kind: 'fingerprints', list: [OTHER] },
      { kind: 'fingerprints', list: [] },
    ]);
  });
});

describe('the host key', () => {
  test.each([
    [{}, { kind: 'none' }],
    [{ 'host-key-check': 'off' }, { kind: 'off' }],
    [
      { 'known-hosts': `app.example.com ${HOST_KEY}` },
      { kind: 'known-hosts', text: `app.example.com ${HOST_KEY}` },
    ],
    [{ fingerprint: `${FINGERPRINT}=` }, { kind: 'fingerprints', list: [FINGERPRINT] }],
    [
      { host: 'web=h', fingerprint: `web=${FINGERPRINT},h=${OTHER},\nelsewhere=${OTHER}` },
      { kind: 'fingerprints', list: [FINGERPRINT, OTHER] },
    ],
  ])('%j', (given, policy) => {
    expect(read(given).destination.hostKey).toEqual(policy);
  });

  test.each([
    [{ 'host-key-check': 'no' }, '`strict` or `off`'],
    [{ 'host-key-check': 'off', fingerprint: FINGERPRINT }, 'nothing would check it'],
    [
      { 'known-hosts': `h ${HOST_KEY}`, fingerprint: FINGERPRINT },
      'both `known-hosts` and `fingerprint` are set',
    ],
    [{ 'known-hosts': `# ok\nh ${HOST_KEY}\nnonsense` }, 'line 3 cannot be read'],
    [{ fingerprint: 'SHA256:short' }, 'ssh-keygen -lf'],
    [{ fingerprint: Array(16).fill('a1').join(':') }, 'an MD5 fingerprint'],
    [{ fingerprint: `elsewhere=${FINGERPRINT}` }, 'bound to another host'],
  ])('%j is refused: %s', (given, why) => {
    expect(messageOf(given)).toContain(why);
  });
});

describe('all together', () => {
  test('every bad input is named in one error', () => {
    const message = messageOf({ host: 'a,a', port: 'x', path: '/', ref: '-x', save: '?', known_hosts: 'y' });
    expect(message.split('\n')[0]).toBe('6 inputs cannot be used:');
    for (const name of ['host', 'port', 'path', 'ref', 'save'])
      expect(message).toContain(`- \`${name}\` is "`);
    expect(message).toContain('"known_hosts" is not an input of this action. Did you mean `known-hosts`?');
    expect(message.split('\n')).toHaveLength(7);
  });

  test.each([
    ['known_hosts', 'known-hosts'],
    ['hosts', 'host'],
    ['user_name', 'username'],
    ['pm2env', 'pm2-env'],
    ['workdir', null],
    ['zzz', null],
  ])('%s is near %s', (given, nearest) => {
    expect(nearestInput(given)).toBe(nearest);
  });

  test('an unknown input that is near none gets the list of all', () => {
    const message = messageOf({ 'script-file': 'x' });
    expect(message).toContain('"script-file" is not an input of this action. The inputs are host, username,');
  });

  test('the keyboard of a desktop is no input', () => {
    expect(read({ method: 'ibus' }).path).toBe('/srv/shop');
  });

  test('what was given is shown on one line, shortened', () => {
    const message = messageOf({ ref: `a\n::add-mask::b\u2028${'x'.repeat(500)}` });
    expect(message.split('\n')).toHaveLength(2);
    expect(message).toContain('\\n::add-mask::b\\u2028xxx');
    expect(message.length).toBeLessThan(400);
  });
});

describe('a deployment on GitHub', () => {
  test('what is given', () => {
    const given = {
      deployment: 'true',
      environment: 'stg eu',
      'environment-url': 'https://stg.example.com',
      'github-token': 'ghs_abc',
    };
    expect(read(given).github).toEqual({
      deployment: true,
      environment: 'stg eu',
      environmentUrl: 'https://stg.example.com/',
      token: 'ghs_abc',
    });
  });

  test.each([
    ['environment-url', 'shop.example.com', 'it is not a URL that begins with http:// or https://'],
    ['environment-url', 'javascript:alert(1)', 'it is not a URL'],
    ['environment-url', 'https://me:secret@example.com', 'it holds a user or a password'],
    ['environment', 'a'.repeat(256), 'it is too long'],
    ['environment', 'a\u200bb', 'it holds an invisible character'],
    ['github-token', 'ghs abc', 'it contains a blank'],
    ['deployment', 'yes', '`true` or `false`'],
  ])('%s: %j', (name, given, expected) => {
    expect(messageOf({ [name]: given })).toContain(expected);
  });

  test('the token is needed for a deployment alone, and is secret', () => {
    expect(messageOf({ deployment: 'true', 'github-token': '' })).toContain('`deployment` is true');
    const masked: string[] = [];
    read({ 'github-token': 'ghs_abcdefgh' }, {}, masked);
    expect(masked).toContain('ghs_abcdefgh');
  });
});

describe('an upload', () => {
  test('is of the commit that this run is about, and is not built again on the server', () => {
    const { upload, ...plan } = read({ source: 'upload', 'upload-exclude': './a/**/*.map/, /docs\n*.log' });
    expect(plan).toMatchObject({ source: { kind: 'upload', builtFrom: SHA }, ref: null });
    expect(plan.steps).toMatchObject({ install: { kind: 'default' }, build: { kind: 'none' } });
    expect(upload).toEqual({
      path: '.',
      exclude: ['a/**/*.map', '/docs', '*.log'],
      sendsModules: false,
      builtFrom: SHA,
    });
    const given = read({ source: 'upload', 'install-command': 'none', 'build-command': 'make' });
    expect(given.steps.build).toEqual({ kind: 'command', command: 'make' });
    expect(given.upload?.sendsModules).toBe(true);
  });

  test.each(['rollback', 'status', 'remove'])(
    'a %s sends nothing, and takes what it takes beside git',
    (mode) => {
      const { upload, ...plan } = read({ source: 'upload', mode, 'upload-path': 'dist' });
      expect({ upload, ref: plan.ref, source: plan.source }).toEqual({
        upload: null,
        ref: null,
        source: { kind: 'git' },
      });
    },
  );

  test.each<[Record<string, string>, string]>([
    [{ source: 'zip' }, '`source` is "zip"'],
    [{ source: 'upload', ref: 'main' }, '`source` is upload, and nothing is fetched then'],
    [{ source: 'upload', repository: 'acme/shop' }, '`source` is upload, and nothing is fetched then'],
    [{ source: 'upload', 'allow-untracked-ref': 'true' }, '`source` is upload, and nothing is fetched then'],
    [{ 'upload-path': 'dist' }, '`source` is git, and nothing is sent then'],
    [{ 'upload-exclude': 'x' }, '`source` is git, and nothing is sent then'],
    [{ source: 'upload', 'upload-path': '~/x' }, 'begins with "~"'],
    [{ source: 'upload', 'upload-exclude': '!x' }, 'begins with "!"'],
    [{ source: 'upload', 'upload-exclude': 'a\\b' }, 'holds a backslash'],
    [{ source: 'upload', 'upload-exclude': '*.{js,map}' }, 'has braces'],
    [{ source: 'upload', 'upload-exclude': '../x' }, 'holds ".."'],
    [{ source: 'upload', 'upload-exclude': '/' }, 'leaves out everything'],
    [{ source: 'upload', 'upload-exclude': '**/*' }, 'leaves out everything'],
  ])('%j is refused', (given, why) => {
    expect(messageOf(given)).toContain(why);
  });

  test('is refused for a commit that a stranger may have chosen', () => {
    const message = messageOf({ source: 'upload' }, { GITHUB_EVENT_NAME: 'pull_request_target' });
    expect(message).toContain('`source` is "upload": on pull_request_target');
  });
});

describe('git-token', () => {
  test('is for this GitHub server over https, GitHub Enterprise too', () => {
    expect(read({ 'git-token': 'ghs_abc' }).gitToken).toEqual({
      value: 'ghs_abc',
      server: 'https://github.com',
    });
    const enterprise = { GITHUB_SERVER_URL: 'https://Git.Example.com:8443/' };
    expect(read({ 'git-token': 'ghs_abc' }, enterprise).gitToken?.server).toBe(
      'https://git.example.com:8443',
    );
    expect(read({ 'git-token': 'ghs_abc' }, { GITHUB_SERVER_URL: 'http://git.example' }).gitToken).toBeNull();
  });

  test('an empty one turns it off, and what is no token is refused without being shown', () => {
    expect(read({ 'git-token': '' }).gitToken).toBeNull();
    const message = messageOf({ 'git-token': 'ghs_abc def' });
    expect(message).toContain('`git-token`: it contains a blank');
    expect(message).not.toContain('ghs_abc');
  });

  test('is masked', () => {
    const masked: string[] = [];
    read({ 'git-token': 'ghs_abcdefgh' }, {}, masked);
    expect(masked).toContain('ghs_abcdefgh');
  });
});

describe('container', () => {
  test.each(['shop', 'shop-web-1', 'a', 'Shop.v2_x', 'deadbeef'])('%s is a name', (container) => {
    const { destination, container: planned } = read({ container });
    expect(destination.container).toEqual({ name: container, engine: null });
    expect(planned).toEqual({ name: container, pathVolatile: 'fail' });
  });

  test('the engine and a path that may be lost are said beside it', () => {
    const given = { container: 'shop', 'container-engine': 'podman', 'container-path-volatile': 'allow' };
    const { destinations, container } = read({ ...given, host: 'a,b' });
    expect(destinations.map((one) => one.container)).toEqual(
      Array(2).fill({ name: 'shop', engine: 'podman' }),
    );
    expect(container).toEqual({ name: 'shop', pathVolatile: 'allow' });
  });

  test.each(['-it', '--privileged', '.x', '_x', 'a b', 'a,b', '$(id)', "a'b", 'a/b', 'a;b', 'x'.repeat(256)])(
    '%j is none',
    (container) => {
      expect(messageOf({ container })).toContain('it is no name of a container');
    },
  );

  test('what goes with it is refused without it', () => {
    expect(messageOf({ 'container-engine': 'docker' })).toContain('`container` is not given');
    expect(messageOf({ 'container-path-volatile': 'allow' })).toContain('`container` is not given');
    expect(messageOf({ container: 'x', 'container-engine': 'lxc' })).toContain('`docker` or `podman`');
    expect(messageOf({ container: 'x', 'container-path-volatile': 'true' })).toContain('`fail` or `allow`');
  });
});

describe('secrets', () => {
  test('are masked first, whole and line by line, and in no error', () => {
    const masked: string[] = [];
    const secrets = { key: LOCKED_KEY, passphrase: 'open sesame', password: 'pass-word-1', path: '/' };
    expect(() => read(secrets, {}, masked)).toThrow(InputsError);
    const lines = LOCKED_KEY.split('\n').filter((line) => line.length >= 8 && !line.startsWith('---'));
    expect(lines.length).toBeGreaterThan(3);
    expect(masked).toEqual([...lines, 'open sesame', 'pass-word-1']);
  });

  test('a key on one line is masked as a whole and in its parts', () => {
    const masked: string[] = [];
    const oneLine = KEY.trim().replaceAll('\n', '\\n');
    read({ key: oneLine }, {}, masked);
    expect(masked).toEqual([
      oneLine,
      ...KEY.split('\n').filter((line) => line.length >= 8 && !line.startsWith('-')),
    ]);
  });

  test('what is short or no secret is never masked', () => {
    const masked: string[] = [];
    read({ password: 'abc', host: 'web-1=me@host:22', username: 'deploy' }, {}, masked);
    expect(masked.filter((secret) => /^(abc|web-1|me|host|22|deploy|.*----.*)$/.test(secret))).toEqual([]);
  });
});
