import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ActionRun } from '../rig/action.ts';
import { type GitServer, startGitServer } from '../rig/git-server.ts';
import type { Host } from '../rig/host.ts';
import { keepLargeFile, type LargeFiles } from '../rig/large-files.ts';
import { NEWEST } from '../rig/pm2.ts';
import { createSite, type Site } from '../rig/site.ts';

/** What the rig's runner has for `github.token`. */
const TOKEN = 'ghs_madeUpTokenOfTheTestRig';
const ENCODED = Buffer.from(`x-access-token:${TOKEN}`).toString('base64');

let site: Site;
let host: Host;
let github: GitServer;
const large: LargeFiles = new Map();
/** Outside of the home: what was seen of every call of git. */
let seen: string;

beforeAll(async () => {
  site = await createSite(NEWEST, {
    inputs: {
      // The workflow's own.
      repository: '',
      'build-command': 'env > build-environ; cat /proc/$PPID/environ > program-environ; node build.js',
      'stable-for': '500ms',
    },
  });
  ({ host } = site);
  github = await startGitServer({
    repositories: { 'octocat/shop': site.repository.path },
    reads: { [TOKEN]: ['octocat/shop'] },
    largeFiles: large,
  });
  seen = mkdtempSync(path.join(tmpdir(), 'seen-'));
  const home = (name: string): string => path.join(host.directory, name);
  const real = execFileSync('sh', ['-c', 'command -v git'], {
    env: { PATH: '/usr/local/bin:/usr/bin:/bin' },
  });
  const wrapper = `#!/bin/sh\n{ echo "git $*"; env; } > ${seen}/call-$$\nexec ${real.toString().trim()} "$@"\n`;
  writeFileSync(home('bin/git'), wrapper, { mode: 0o755 });
  mkdirSync(home('hooks'));
  for (const hook of ['post-checkout', 'reference-transaction', 'post-merge', 'pre-auto-gc']) {
    writeFileSync(home(`hooks/${hook}`), '#!/bin/sh\n(env; cat) > "$HOME/hook-$$"\n', { mode: 0o755 });
  }
  const credentials = 'https://deploy:kept@git.example\n';
  writeFileSync(home('.git-credentials'), credentials, { mode: 0o600 });
  mkdirSync(path.join(seen, 'trace'));
  writeFileSync(
    home('.gitconfig'),
    `[http]\n\tsslCAInfo = ${github.ca}\n[credential]\n\thelper = store\n[core]\n\thooksPath = ${home('hooks')}\n` +
      // Writes down the arguments of all that git starts.
      `[trace2]\n\teventTarget = ${seen}/trace\n`,
  );
});
afterAll(async () => {
  await site?.stop();
  await github?.stop();
  rmSync(seen, { recursive: true, force: true });
});

const SAME = 'in every version';
/** A version with two files in Git LFS; only one of them differs from version to version. */
const commit = (version: string): string =>
  site.commit({
    version,
    moreFiles: {
      '.gitattributes': '*.bin filter=lfs diff=lfs merge=lfs -text\n',
      'public/logo.bin': keepLargeFile(large, `the logo of ${version}`),
      'public/same.bin': keepLargeFile(large, SAME),
    },
  });
const publicFile = (name: string): string => readFileSync(path.join(site.live, 'public', name), 'utf8');
const downloads = (): number =>
  github.requests.filter((one) => /\/objects\/[0-9a-f]{64}$/.test(one.path) && one.password === TOKEN).length;

const deploy = (sha: string, inputs: Record<string, string> = {}): Promise<ActionRun> =>
  site.deploy(inputs, { env: { GITHUB_SERVER_URL: github.url, GITHUB_SHA: sha } });

/** Files below a directory that hold the token, as it is or as it is sent. */
function holders(directory: string): string[] {
  const found = execFileSync('sh', [
    '-c',
    'grep -rlaF -e "$0" -e "$1" -- "$2" || true',
    TOKEN,
    ENCODED,
    directory,
  ]);
  return found.toString().split('\n').filter(Boolean);
}

test.each(['an empty path', 'the checkout that is there now'])(
  "a private repository, its large files too, is deployed to %s with the workflow's token, which stays nowhere",
  async (where) => {
    github.requests.length = 0;
    const sha = commit(where);
    const run = await deploy(sha);
    expect(run, run.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed', sha } });
    expect(new Set(github.requests.map(({ password }) => password))).toEqual(new Set([null, TOKEN]));
    expect(run.stdout.match(/git-token is used for this run/g)).toHaveLength(1);
    expect([publicFile('logo.bin'), publicFile('same.bin')]).toEqual([`the logo of ${where}`, SAME]);
    // What the version before had is not downloaded again.
    expect(downloads()).toBe(where === 'an empty path' ? 2 : 1);
    const changes = ['status', '--porcelain', '--untracked-files=no'];
    expect(execFileSync('git', changes, { cwd: site.live, env: host.env }).toString()).toBe('');

    const masks = run.stdout.split('\n').filter((line) => line.includes(TOKEN));
    expect(masks).toEqual([`::add-mask::${TOKEN}`]);
    expect([run.stderr, run.summary, JSON.stringify(run.outputs)].join()).not.toContain(TOKEN);
    expect(holders(host.directory)).toEqual([]);
    expect(readFileSync(path.join(site.live, 'program-environ'), 'utf8')).toContain('PATH=');
    expect(holders(path.join(seen, 'trace'))).toEqual([]);
    const traced = execFileSync('sh', ['-c', 'cat "$0"/*', path.join(seen, 'trace')]).toString();
    expect(traced).toContain('ls-remote');
    expect(traced).not.toContain('password=');
    const config = execFileSync('git', ['config', '--list', '--local'], { cwd: site.live });
    expect(config.toString()).toContain(`remote.origin.url=${github.url}/octocat/shop.git`);
    const environs = [
      ...(await host.pids()),
      readFileSync(path.join(host.pm2Home, 'pm2.pid'), 'utf8').trim(),
    ];
    for (const pid of environs)
      expect(readFileSync(`/proc/${pid}/environ`, 'utf8')).not.toMatch(/PM2_SSH_DEPLOY_GIT|ghs_/);

    const calls = readdirSync(seen)
      .filter((name) => name.startsWith('call-'))
      .map((name) => readFileSync(path.join(seen, name), 'utf8').split('\n'));
    const withToken = calls.filter((lines) => lines.join('\n').includes(TOKEN));
    expect(withToken.length).toBeGreaterThan(0);
    for (const [command = ''] of calls) expect(command).not.toContain(TOKEN);
    for (const lines of withToken) {
      const [command = ''] = lines;
      // Git-lfs starts git, which has the settings of the git that started git-lfs in its environment.
      const settings = lines.filter((line) => line.startsWith('GIT_CONFIG_PARAMETERS=')).join();
      if (settings !== '') expect(settings).toContain("'core.hooksPath'='/dev/null'");
      else expect(command).toMatch(/ core\.hooksPath=\/dev\/null .* (?:fetch|ls-remote) /);
    }
    expect(readFileSync(path.join(host.directory, '.git-credentials'), 'utf8')).toContain('git.example');
    expect(readdirSync(host.directory).filter((name) => name.startsWith('hook-'))).toEqual([]);
  },
);

test('a check says that the token is used once, and that the large files can come', async () => {
  const run = await deploy(commit('checked'), { mode: 'check' });
  expect(run, run.stdout).toMatchObject({ code: 0, outputs: { outcome: 'unchanged' } });
  expect(run.stdout).toContain('in Git LFS, and git-lfs is on this server');
  expect(run.stdout.match(/git-token is used/g)).toHaveLength(1);
});

test('without it the deploy fails before anything is changed, and says what would help', async () => {
  github.requests.length = 0;
  const sha = site.commit({ version: 'private' });
  const run = await deploy(sha, { 'git-token': '' });
  expect(run, run.stdout).toMatchObject({ code: 1, outputs: { outcome: 'failed' } });
  expect(run.stdout).toContain("git-token opens repositories of the workflow's own GitHub server");
  expect(new Set(github.requests.map(({ password }) => password))).toEqual(new Set([null]));
});
