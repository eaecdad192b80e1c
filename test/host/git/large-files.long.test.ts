import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { checkOut } from '../../../src/host/build/staging-clone.ts';
import { type Git, gitIn } from '../../../src/host/git/git.ts';
import { lookForLargeFiles, named } from '../../../src/host/git/large-files.ts';
import { peek } from '../../../src/host/git/peek.ts';
import { createClock } from '../../../src/host/system/clock.ts';
import type { DeployFailure } from '../../../src/host/system/failure.ts';
import { type GitServer, startGitServer } from '../../rig/git-server.ts';
import { keepLargeFile, type LargeFiles } from '../../rig/large-files.ts';
import { createRepository, type Repository } from '../../rig/repository.ts';
import { startSshd } from '../../rig/sshd.ts';

const TOKEN = 'ghs_goodForTheAppAndItsFiles';
const OWN = 'what-the-server-has-of-its-own';
/** The live checkout's own comes first. */
const NOWHERE = { url: 'https://nowhere.example/x/y.git', given: false };
const ATTRIBUTES = '*.bin filter=lfs diff=lfs merge=lfs -text\n';

let app: Repository;
let github: GitServer;
const stored: LargeFiles = new Map();
const refused: { status: number | null } = { status: null };
let home: string;
let live: string;
let said: string[];

beforeAll(async () => {
  app = createRepository();
  github = await startGitServer({
    repositories: { 'acme/app': app.path },
    reads: { [TOKEN]: ['acme/app'], [OWN]: ['acme/app'] },
    largeFiles: stored,
    largeFilesRefused: refused,
  });
});
afterAll(async () => {
  await github?.stop();
  app?.remove();
});
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'large-'));
  live = join(home, 'app');
  said = [];
  execFileSync('git', ['init', '--quiet', live]);
  execFileSync('git', ['config', 'remote.origin.url', `${github.url}/acme/app.git`], { cwd: live });
  configure('http.sslCAInfo', github.ca);
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

/** As `git config --global` does on the server. */
function configure(...setting: string[]): void {
  execFileSync('git', ['config', '--file', join(home, '.gitconfig'), '--add', ...setting]);
}
const commit = (files: Record<string, string>): string =>
  app.commit({
    '.gitattributes': ATTRIBUTES,
    ...Object.fromEntries(
      Object.entries(files).map(([path, content]) => [path, keepLargeFile(stored, content)]),
    ),
  });
/** Git is the machine's alone. */
const opener =
  (env: NodeJS.ProcessEnv) =>
  (directory: string): Git =>
    gitIn(directory, {
      env: { PATH: process.env.PATH, HOME: home, GIT_CONFIG_NOSYSTEM: '1', ...env },
      clock: createClock(),
      timeLimit: 30_000,
      locks: new Set(),
    });
/** Checks the commit out as a deploy does, into a new staging directory, which it gives. */
async function stage(sha: string, env: NodeJS.ProcessEnv = {}, token = TOKEN): Promise<string> {
  const open = opener(env);
  const origin = {
    gitToken: token === '' ? null : { value: token, server: github.url },
    say: (text: string) => void said.push(text),
    repository: NOWHERE,
  };
  // The commit itself came before.
  execFileSync('git', ['fetch', '--quiet', app.url, sha], { cwd: live });
  github.requests.length = 0;
  const staging = mkdtempSync(join(home, 'staging-'));
  await checkOut(open(live), open, staging, sha, origin);
  return staging;
}
const failureOf = (work: Promise<unknown>): Promise<DeployFailure> =>
  work.then(
    () => expect.unreachable('it went well'),
    (error: DeployFailure) => error,
  );
const downloads = (): string[] =>
  github.requests
    .filter(({ path, password }) => /\/objects\/[0-9a-f]{64}$/.test(path) && password !== null)
    .map(({ path }) => path);
/** A program that leaves word of what it was run with, and ends as one that has no login. */
function tattler(name: string): string {
  const file = join(home, name);
  const says = 'echo "fatal: could not read Username: terminal prompts disabled" >&2; exit 1';
  writeFileSync(file, `#!/bin/sh\nenv >> ${home}/tattled\n${says}\n`, { mode: 0o755 });
  return file;
}
/** Whether any file of the server's user holds the text, in either form in which the token is sent. */
const isWritten = (text: string): boolean =>
  [text, Buffer.from(`x-access-token:${text}`).toString('base64')].some(
    (form) => execFileSync('sh', ['-c', 'grep -rlaF -- "$0" "$1" || true', form, home]).toString() !== '',
  );
const noLfs = (): NodeJS.ProcessEnv => {
  const bin = mkdtempSync(join(home, 'bin-'));
  const git = execFileSync('sh', ['-c', 'command -v git']).toString().trim();
  symlinkSync(git, join(bin, 'git'));
  return { PATH: bin };
};

it('large files come with the token, each once, and the token is written nowhere', async () => {
  const first = await stage(commit({ 'a.bin': 'one', 'deep/b.bin': 'two' }));
  expect(readFileSync(join(first, 'a.bin'), 'utf8')).toBe('one');
  expect(readFileSync(join(first, 'deep/b.bin'), 'utf8')).toBe('two');
  expect(downloads()).toHaveLength(2);
  expect(said.at(-1)).toContain('git-token is used');
  const second = await stage(commit({ 'a.bin': 'changed', 'deep/b.bin': 'two' }));
  expect(readFileSync(join(second, 'a.bin'), 'utf8')).toBe('changed');
  expect(downloads()).toHaveLength(1);
  expect(isWritten(TOKEN)).toBe(false);
});

it('the token goes past all that the server has for logins, and runs nothing that could see it', async () => {
  writeFileSync(
    join(home, '.git-credentials'),
    `https://deploy:stale@${new URL(github.url).host}\nhttps://deploy:mine@git.example\n`,
    { mode: 0o600 },
  );
  configure('credential.helper', 'store');
  for (const address of [github.url, `${github.url}/acme`, `${github.url}/acme/app.git/info/lfs`])
    configure(`credential.${address}.helper`, 'store');
  configure('credential.useHttpPath', 'true');
  configure('core.askPass', tattler('asks'));
  configure('core.sshCommand', tattler('ssh'));
  configure('lfs.standaloneTransferAgent', 'tattle');
  configure('lfs.customtransfer.tattle.path', tattler('transfer'));
  const trace = join(home, 'trace');
  const env = {
    GIT_TRACE: trace,
    GIT_TRANSFER_TRACE: trace,
    GIT_CURL_VERBOSE: '1',
    GIT_TRACE_REDACT: '0',
    SSH_ASKPASS: join(home, 'asks'),
  };
  const staging = await stage(commit({ 'a.bin': 'past all' }), env);
  expect(readFileSync(join(staging, 'a.bin'), 'utf8')).toBe('past all');
  expect(isWritten(TOKEN)).toBe(false);
  expect(readFileSync(join(home, '.git-credentials'), 'utf8')).toContain('git.example');
  if (existsSync(join(home, 'tattled')))
    expect(readFileSync(join(home, 'tattled'), 'utf8')).not.toContain('PM2_SSH_DEPLOY_GIT');
});

it("the server's own login opens them, and then no token is sent", async () => {
  writeFileSync(join(home, '.git-credentials'), `https://deploy:${OWN}@${new URL(github.url).host}\n`);
  configure('credential.helper', 'store');
  const staging = await stage(commit({ 'a.bin': 'by its own' }));
  expect(readFileSync(join(staging, 'a.bin'), 'utf8')).toBe('by its own');
  expect(github.requests.map(({ password }) => password)).not.toContain(TOKEN);
});

it('no token is sent to a server that has not proved its name, whatever the settings and the environment say', async () => {
  const sha = commit({ 'a.bin': 'unproved' });
  rmSync(join(home, '.gitconfig'));
  for (const name of ['', `${github.url}.`, `${github.url}/.`, `${github.url}/acme/app.git/info/lfs.`])
    configure(`http.${name}sslVerify`, 'false');
  const failure = await failureOf(stage(sha, { GIT_SSL_NO_VERIFY: '1' }));
  expect(failure.message).toContain('Fetching the large files (Git LFS)');
  expect(failure.remedy).toContain('does not trust the git server');
  expect(github.requests.map(({ password }) => password)).not.toContain(TOKEN);
});

it('an ssh deploy key opens them, and then no token is sent', async () => {
  // As on GitHub: a command there gives git-lfs an address and a login for it, by what the key may read.
  const header = { Authorization: `Basic ${Buffer.from(`x:${OWN}`).toString('base64')}` };
  const answer = JSON.stringify({ href: `${github.url}/acme/app.git/info/lfs`, header });
  const bin = mkdtempSync(join(home, 'bin-'));
  writeFileSync(join(bin, 'git-lfs-authenticate'), `#!/bin/sh\necho '${answer}'\n`, { mode: 0o755 });
  const sshd = await startSshd({ home, env: { PATH: `${bin}:${process.env.PATH}` } });
  try {
    const { host, port, username, key } = sshd;
    execFileSync('git', ['config', 'remote.origin.url', `ssh://${username}@${host}:${port}${app.path}`], {
      cwd: live,
    });
    writeFileSync(join(home, 'key'), key, { mode: 0o600 });
    const options = '-o IdentitiesOnly=yes -o UserKnownHostsFile=/dev/null -o StrictHostKeyChecking=no';
    const env = { GIT_SSH_COMMAND: `ssh -F /dev/null -i ${home}/key ${options} -o LogLevel=ERROR` };
    const staging = await stage(commit({ 'a.bin': 'by a key' }), env);
    expect(readFileSync(join(staging, 'a.bin'), 'utf8')).toBe('by a key');
    expect(new Set(github.requests.map(({ password }) => password))).toEqual(new Set([OWN]));
    expect(said).toEqual([]);
  } finally {
    await sshd.stop();
  }
});

it.each([
  ['nothing', '', 'git-token'],
  ['a token that the server does not know', 'ghs_expired', 'does not know the token'],
])('with %s the deploy fails, and says what would help', async (_, token, says) => {
  const failure = await failureOf(stage(commit({ 'a.bin': `closed ${token}` }), {}, token));
  expect(`${failure.message} ${failure.remedy}`).toContain(says);
  expect(JSON.stringify([failure, said])).not.toContain('ghs_expired');
});

it.each([
  [401, 'Git LFS, which keeps the large files, answers that it does not know the token (401)'],
  [403, 'Fetching the large files (Git LFS)'],
  [404, 'Fetching the large files (Git LFS)'],
])(
  'a token that opens the commit and no large file (%i) is given up at once, and the reason is named',
  async (status, says) => {
    const sha = commit({ 'a.bin': `refused ${status}` });
    refused.status = status;
    const failure = await failureOf(stage(sha)).finally(() => {
      refused.status = null;
    });
    expect(failure.message).toContain(says);
    expect(failure.remedy).toContain('The same login opens the commits');
    const asked = github.requests.filter(({ path }) => path.endsWith('/objects/batch'));
    expect(asked.filter(({ password }) => password === TOKEN)).toHaveLength(1);
  },
);

it('a content that the git server lacks is named', async () => {
  const sha = commit({ 'a.bin': 'lost' });
  stored.clear();
  const failure = await failureOf(stage(sha));
  expect(failure.message).toContain('Fetching the large files (Git LFS)');
  expect(failure.remedy).toContain('git lfs push --all origin');
});

it('large files of another server never get the token', async () => {
  await using elsewhere = await startGitServer({
    repositories: { 'acme/app': app.path },
    reads: { [TOKEN]: ['acme/app'] },
    largeFiles: stored,
  });
  const lfs = `[lfs]\n\turl = ${elsewhere.url}/acme/app.git/info/lfs\n`;
  const pointer = keepLargeFile(stored, 'elsewhere');
  const sha = app.commit({ '.gitattributes': ATTRIBUTES, '.lfsconfig': lfs, 'a.bin': pointer });
  rmSync(join(home, '.gitconfig'));
  writeFileSync(join(home, 'ca.pem'), readFileSync(github.ca, 'utf8') + readFileSync(elsewhere.ca, 'utf8'));
  configure('http.sslCAInfo', join(home, 'ca.pem'));
  const failure = await failureOf(stage(sha));
  expect(failure.remedy).toContain('and no others');
  expect(new Set(elsewhere.requests.map(({ password }) => password))).toEqual(new Set([null]));
});

it('without git-lfs on the server the deploy fails, and names a file and what to do', async () => {
  const failure = await failureOf(stage(commit({ 'a.bin': 'one', 'b.bin': 'two' }), noLfs()));
  expect(failure.message).toContain(
    "keeps a.bin and 1 more in Git LFS, and the command 'git-lfs' is not on this host",
  );
  expect(failure.remedy).toContain('apt-get install git-lfs');
});

it.each([
  ['can come', {}, 'a.bin and 1 more'],
  ['cannot come, for want of git-lfs', noLfs, 'The repository keeps a.bin and 1 more in Git LFS'],
])('a check sees that large files %s, by a look into the commit', async (_, env, says) => {
  const sha = commit({ 'a.bin': 'one', 'b.bin': 'two' });
  const open = opener(typeof env === 'function' ? env() : env);
  const wanted = { sha, directories: [''], repository: NOWHERE };
  const access = { gitToken: { value: TOKEN, server: github.url }, say: () => {} };
  const found = peek(open(live), open, wanted, access, async (_top, scratch) =>
    named((await lookForLargeFiles(scratch, sha)).files),
  ).catch((failure: DeployFailure) => failure.message);
  expect(await found).toContain(says);
});

it.each([
  ['its own lfs.fetchexclude', () => configure('lfs.fetchexclude', '*'), {}],
  ['its own filter', () => configure('filter.lfs.process', 'git-lfs filter-process --skip'), {}],
  ["the commit's .lfsconfig", () => {}, { '.lfsconfig': '[lfs]\n\tfetchexclude = *\n' }],
])('a server that is told by %s to do without large files gets the pointers', async (_, arrange, files) => {
  arrange();
  const pointer = keepLargeFile(stored, 'left out');
  const sha = app.commit({ '.gitattributes': ATTRIBUTES, 'a.bin': pointer, ...files });
  const staging = await stage(sha, noLfs());
  expect(readFileSync(join(staging, 'a.bin'), 'utf8')).toBe(pointer);
});

it('large files of a submodule that came as pointers are named', async () => {
  const library = createRepository();
  const pointer = keepLargeFile(stored, 'of the library');
  const its = library.commit({ '.gitattributes': ATTRIBUTES, 'b.bin': pointer });
  configure('protocol.file.allow', 'always');
  app.commit({ '.gitmodules': `[submodule "library"]\n\tpath = library\n\turl = ${library.url}\n` });
  app.git('update-index', '--add', '--cacheinfo', `160000,${its},library`);
  app.git('commit', '--quiet', '--message', 'With a library');
  const staging = await stage(app.git('rev-parse', 'HEAD'));
  library.remove();
  expect(readFileSync(join(staging, 'library/b.bin'), 'utf8')).toBe(pointer);
  expect(said.at(-1)).toContain('The submodule library keeps b.bin in Git LFS');
});

it('a commit that has .gitattributes for large files, and no such file, needs no git-lfs', async () => {
  const sha = app.commit({ '.gitattributes': `# filter=lfs\n${ATTRIBUTES}`, 'a.txt': 'small' });
  const staging = await stage(sha, noLfs());
  expect(readFileSync(join(staging, 'a.txt'), 'utf8')).toBe('small');
});
