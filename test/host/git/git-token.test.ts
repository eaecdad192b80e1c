import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { checkOut } from '../../../src/host/build/staging-clone.ts';
import { fetchCommit } from '../../../src/host/git/fetch.ts';
import { type Git, gitIn } from '../../../src/host/git/git.ts';
import { createClock } from '../../../src/host/system/clock.ts';
import type { DeployFailure } from '../../../src/host/system/failure.ts';
import { type GitServer, startGitServer } from '../../rig/git-server.ts';
import { createRepository, type Repository } from '../../rig/repository.ts';
import { type SshHost, startSshd } from '../../rig/sshd.ts';

const TOKEN = 'ghs_goodForTheAppAndItsLibraries';
const OWN = 'what-the-server-has-of-its-own';

let app: Repository;
let library: Repository;
let github: GitServer;
let elsewhere: GitServer;
let scratch: string;
let live: string;
let said: string[];
let commit: string;

beforeAll(async () => {
  app = createRepository();
  library = createRepository();
  const repositories = { 'acme/app': app.path, 'acme/library': library.path };
  const reads = {
    [TOKEN]: ['acme/app', 'acme/library'],
    [OWN]: ['acme/app'],
    ghs_withoutContentsRead: [],
    ghs_forbidden: 'forbidden' as const,
  };
  elsewhere = await startGitServer({ repositories, reads });
  github = await startGitServer({
    repositories,
    reads,
    moved: { '/acme/moved': `${elsewhere.url}/acme/app` },
  });
});
afterAll(async () => {
  await github?.stop();
  await elsewhere?.stop();
  app?.remove();
  library?.remove();
});

beforeEach(() => {
  scratch = mkdtempSync(join(tmpdir(), 'token-'));
  live = join(scratch, 'app');
  commit = app.commit({ 'a.txt': `${Math.random()}` });
  github.requests.length = 0;
  elsewhere.requests.length = 0;
  said = [];
  execFileSync('git', ['init', '--quiet', live]);
  const authorities = join(scratch, 'ca.pem');
  writeFileSync(authorities, readFileSync(github.ca, 'utf8') + readFileSync(elsewhere.ca, 'utf8'));
  configure('http.sslCAInfo', authorities);
  origin(`${github.url}/acme/app.git`);
});
afterEach(() => rmSync(scratch, { recursive: true, force: true }));

/** As `git config --global` does on the server. */
function configure(...setting: string[]): void {
  execFileSync('git', ['config', '--file', join(scratch, '.gitconfig'), '--add', ...setting]);
}
function origin(url: string): void {
  execFileSync('git', ['config', 'remote.origin.url', url], { cwd: live });
}
function open(env: NodeJS.ProcessEnv = {}): (directory: string) => Git {
  return (directory) =>
    gitIn(directory, {
      env: { PATH: process.env.PATH, HOME: scratch, ...env },
      clock: createClock(),
      timeLimit: 30_000,
      locks: new Set(),
    });
}
const REPOSITORY = { url: 'https://nowhere.example/x/y.git', given: false };
function access(value = TOKEN) {
  return {
    gitToken: { value, server: github.url },
    say: (text: string) => void said.push(text),
    repository: REPOSITORY,
  };
}
/** Fetches the commit, or `ref`, with the token at hand. */
function fetchIt({ env = {}, token = TOKEN, ref = commit } = {}): Promise<string> {
  const wanted = { ref, rule: 'any' as const, repository: REPOSITORY };
  return fetchCommit(open(env)(live), open(env), wanted, access(token));
}
const failureOf = (work: Promise<unknown>): Promise<DeployFailure> =>
  work.then(
    () => expect.unreachable('it went well'),
    (error: DeployFailure) => error,
  );
const passwords = (server: GitServer): (string | null)[] => [
  ...new Set(server.requests.map(({ password }) => password)),
];
/** A program that leaves word of what it was run with, and hands on its stdin. */
function tattler(name: string): string {
  const file = join(scratch, name);
  writeFileSync(file, `#!/bin/sh\nenv >> ${scratch}/tattled\ncat\n`, { mode: 0o755 });
  return file;
}
/** Whether any file of the server's user holds the text. */
const isWritten = (text: string): boolean =>
  execFileSync('sh', ['-c', 'grep -rlaF -- "$0" "$1" || true', text, scratch]).toString() !== '';

describe("where the server's own credentials do not do", () => {
  it('shows the token after those, by branch and by commit, and writes it nowhere', async () => {
    const config = readFileSync(join(live, '.git/config'), 'utf8');
    expect(await fetchIt({ ref: 'main' })).toBe(commit);
    expect(passwords(github)).toEqual([null, TOKEN]);
    commit = app.commit({ 'a.txt': 'next' });
    expect(await fetchIt()).toBe(commit);
    expect(said).toEqual(
      Array(2).fill(expect.stringContaining(`${github.url}/acme/app.git. git-token is used`)),
    );
    expect(readFileSync(join(live, '.git/config'), 'utf8')).toBe(config);
    expect(isWritten(TOKEN)).toBe(false);
  });

  it('gives it to no helper that the server has, and runs nothing else that could see it', async () => {
    writeFileSync(
      join(scratch, '.git-credentials'),
      `https://deploy:stale@${new URL(github.url).host}\nhttps://deploy:mine@git.example\n`,
      { mode: 0o600 },
    );
    configure('credential.helper', 'store');
    for (const address of [github.url, `${github.url}/acme`, `${github.url}/acme/app.git`])
      configure(`credential.${address}.helper`, 'store');
    for (const target of ['normalTarget', 'eventTarget', 'perfTarget'])
      configure(`trace2.${target}`, join(scratch, 'trace2'));
    configure('trace2.envVars', 'PM2_SSH_DEPLOY_GIT_TOKEN');
    configure('core.hooksPath', scratch);
    configure('core.askPass', tattler('asks'));
    configure('core.alternateRefsCommand', tattler('refs'));
    configure('core.fsmonitor', tattler('monitor'));
    for (const hook of ['reference-transaction', 'post-checkout', 'pre-auto-gc']) tattler(hook);
    const borrowed = join(scratch, 'borrowed');
    execFileSync('git', ['init', '--quiet', '--bare', borrowed]);
    writeFileSync(join(live, '.git/objects/info/alternates'), `${borrowed}/objects\n`);
    const env = {
      GIT_TRACE_CURL: join(scratch, 'trace'),
      GIT_TRACE: join(scratch, 'trace'),
      GIT_TRACE_REDACT: '0',
      GIT_TRACE_CURL_NO_DATA: '0',
      GIT_TRACE2_EVENT: join(scratch, 'trace2'),
      SSLKEYLOGFILE: join(scratch, 'keys'),
      SSH_ASKPASS: join(scratch, 'asks'),
    };
    expect(await fetchIt({ env })).toBe(commit);
    expect(passwords(github)).toEqual([null, 'stale', TOKEN]);
    expect(isWritten(TOKEN)).toBe(false);
    expect(isWritten(Buffer.from(`x-access-token:${TOKEN}`).toString('base64'))).toBe(false);
    expect(readFileSync(join(scratch, 'trace2'), 'utf8')).not.toContain('password=');
    expect(readFileSync(join(scratch, '.git-credentials'), 'utf8')).toContain('git.example');
    // What ran before, without the token, may well have run those.
    if (existsSync(join(scratch, 'tattled')))
      expect(readFileSync(join(scratch, 'tattled'), 'utf8')).not.toContain('PM2_SSH_DEPLOY');
  });

  it('takes the token in place of a login that the address or a header carries', async () => {
    origin(github.url.replace('//', '//deploy:expired@').concat('/acme/app.git'));
    expect(await fetchIt()).toBe(commit);
    origin(`${github.url}/acme/app.git`);
    configure(`http.${github.url}/.extraHeader`, 'Authorization: Basic b2xkOm9sZA==');
    commit = app.commit({ 'a.txt': 'with a header' });
    expect(await fetchIt()).toBe(commit);
  });

  describe('over ssh', () => {
    let sshd: SshHost;
    let home: string;
    beforeAll(async () => {
      home = mkdtempSync(join(tmpdir(), 'sshd-'));
      sshd = await startSshd({ home });
    });
    afterAll(async () => {
      await sshd?.stop();
      rmSync(home, { recursive: true, force: true });
    });

    it('fetches the same repository over https for once, and leaves the origin as it is', async () => {
      const address = `ssh://git@localhost:${sshd.port}/acme/app.git`;
      origin(address);
      const ssh = 'ssh -F /dev/null -o IdentityAgent=none -o UserKnownHostsFile=/dev/null';
      const env = { GIT_SSH_COMMAND: `${ssh} -o StrictHostKeyChecking=no -o LogLevel=ERROR` };
      expect(await fetchIt({ env })).toBe(commit);
      expect(passwords(github)).toEqual([null, TOKEN]);
      expect(said[0]).toContain('over https. The origin stays as it is');
      const url = execFileSync('git', ['config', 'remote.origin.url'], { cwd: live }).toString().trim();
      expect(url).toBe(address);
      // A setting that makes ssh of every https address does not keep the token from its address.
      origin(`${github.url}/acme/app.git`);
      configure(`url.ssh://git@localhost:${sshd.port}/.insteadOf`, `${github.url}/`);
      commit = app.commit({ 'a.txt': 'insteadOf' });
      expect(await fetchIt({ env })).toBe(commit);
    });
  });
});

describe('keeps the token back', () => {
  it("where the server's own credentials do", async () => {
    writeFileSync(join(scratch, '.git-credentials'), `https://deploy:${OWN}@${new URL(github.url).host}\n`);
    configure('credential.helper', 'store');
    expect(await fetchIt()).toBe(commit);
    expect(passwords(github)).toEqual([null, OWN]);
    expect(said).toEqual([]);
  });

  it.each([
    ['another server', () => origin(`${elsewhere.url}/acme/app.git`)],
    [
      'another name of the server',
      () => origin(`${github.url.replace('localhost', '127.0.0.1')}/acme/app.git`),
    ],
    ['a setting that leads elsewhere', () => configure(`url.${elsewhere.url}/.insteadOf`, `${github.url}/`)],
  ])('from %s', async (_, arrange) => {
    arrange();
    const { remedy } = await failureOf(fetchIt());
    expect(remedy).toContain('and no others');
    expect([...passwords(github), ...passwords(elsewhere)]).toEqual([null]);
  });

  it('from where a redirect leads', async () => {
    origin(`${github.url}/acme/moved.git`);
    configure('http.followRedirects', 'true');
    for (const path of ['/', '/acme/', '/acme/moved.git'])
      configure(`http.${github.url}${path}.followRedirects`, 'true');
    const { remedy } = await failureOf(fetchIt());
    expect(remedy).toContain('The repository has moved');
    expect(passwords(github)).toEqual([null, TOKEN]);
    expect(passwords(elsewhere)).not.toContain(TOKEN);
  });

  it.each([
    ['a setting', 'http.sslVerify'],
    ['a setting for the server', 'http.<server>/.sslVerify'],
    ['a setting for the owner', 'http.<server>/acme.sslVerify'],
    ['a setting for the repository', 'http.<server>/acme/app.git/.sslVerify'],
    ['the environment', null],
  ])('from a server that has not proved its name, whatever %s says', async (_, setting) => {
    rmSync(join(scratch, '.gitconfig'));
    if (setting !== null) configure(setting.replace('<server>', github.url), 'false');
    const env = setting === null ? { GIT_SSL_NO_VERIFY: '1' } : {};
    const { remedy } = await failureOf(fetchIt({ env }));
    expect(remedy).toContain('does not trust the git server');
    expect(passwords(github)).toEqual([null]);
  });
});

describe('says why the token opened nothing', () => {
  it.each([
    ['ghs_expired', 'does not know the token. It has expired', 'renew'],
    ['ghs_withoutContentsRead', 'there is no such repository', 'permissions: contents: read'],
    ['ghs_forbidden', '(403)', 'permissions: contents: read'],
  ])('%s', async (token, why, remedy) => {
    origin(`${github.url.replace('//', '//deploy:loginInTheAddress@')}/acme/app.git`);
    const failure = await failureOf(fetchIt({ token }));
    expect(failure.message).toContain(why);
    expect(failure.remedy).toContain(remedy);
    const told = JSON.stringify([failure.message, failure.output, said]);
    expect(told).not.toContain(token);
    expect(told).not.toContain('loginInTheAddress');
  });
});

describe('submodules', () => {
  /** Commits submodules, each a path and an address, on top of an empty tree. */
  function withSubmodules(repository: Repository, modules: Record<string, string>, sha: string): string {
    const work = mkdtempSync(join(tmpdir(), 'modules-'));
    const git = (...args: string[]) =>
      execFileSync('git', ['-c', 'user.name=Rig', '-c', 'user.email=rig@example.com', ...args], {
        cwd: work,
      });
    git('clone', '--quiet', repository.url, '.');
    git('checkout', '--quiet', repository.branch);
    for (const [path, url] of Object.entries(modules)) {
      git('config', '--file', '.gitmodules', `submodule.${path}.path`, path);
      git('config', '--file', '.gitmodules', `submodule.${path}.url`, url);
      git('update-index', '--add', '--cacheinfo', `160000,${sha},${path}`);
    }
    git('add', '.gitmodules');
    git('commit', '--quiet', '--message', 'Add submodules');
    git('push', '--quiet', 'origin', `HEAD:${repository.branch}`);
    rmSync(work, { recursive: true });
    return repository.git('rev-parse', repository.branch);
  }
  const stage = (sha: string, env?: NodeJS.ProcessEnv, token = TOKEN) =>
    checkOut(open(env)(live), open(env), join(scratch, 'staging'), sha, access(token));

  it('of the same server are filled with it, those within others too', async () => {
    const inner = library.commit({ 'inner.js': 'inner' });
    const outer = withSubmodules(library, { 'deep/inner': '../library.git' }, inner);
    const sha = withSubmodules(
      app,
      { 'vendor/lib': '../library.git', ssh: `git@${new URL(github.url).hostname}:acme/library.git` },
      outer,
    );
    await fetchIt({ ref: sha });
    configure('filter.tattle.smudge', tattler('smudges'));
    mkdirSync(join(live, '.git/info'), { recursive: true });
    writeFileSync(join(live, '.git/info/attributes'), '* filter=tattle\n');
    const refuses = join(scratch, 'ssh');
    writeFileSync(
      refuses,
      '#!/bin/sh\necho "git@localhost: Permission denied (publickey)." >&2\nexit 255\n',
      {
        mode: 0o755,
      },
    );
    await stage(sha, { GIT_SSH: refuses });
    for (const path of ['vendor/lib', 'ssh']) {
      expect(existsSync(join(scratch, 'staging', path, '.gitmodules'))).toBe(true);
      expect(existsSync(join(scratch, 'staging', path, 'deep/inner/inner.js'))).toBe(true);
    }
    expect(isWritten(TOKEN)).toBe(false);
    expect(readFileSync(join(scratch, 'tattled'), 'utf8')).not.toContain('PM2_SSH_DEPLOY_GIT');
  });

  it('that it does not open are named, with what to do', async () => {
    const sha = withSubmodules(app, { 'vendor/secret': '../secret.git' }, commit);
    await fetchIt({ ref: sha });
    const failure = await failureOf(stage(sha));
    expect(failure.message).toContain('The submodule vendor/secret was not fetched');
    expect(failure.remedy).toContain('reads only the workflow');
  });

  it('of another server never get it', async () => {
    const sha = withSubmodules(app, { 'vendor/lib': `${elsewhere.url}/acme/library.git` }, commit);
    await fetchIt({ ref: sha });
    const failure = await failureOf(stage(sha));
    expect(failure.message).toContain('Checking out the submodule vendor/lib');
    expect(passwords(elsewhere)).toEqual([null]);
  });
});
