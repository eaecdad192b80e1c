import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ActionRun } from '../rig/action.ts';
import { type FixtureOptions, UNVISITED } from '../rig/fixture-app.ts';
import { createHost, type Host } from '../rig/host.ts';
import { outsideOfCode } from '../rig/outside-of-code.ts';
import { NEWEST } from '../rig/pm2.ts';
import { createSite, type Site } from '../rig/site.ts';

let site: Site;
let host: Host;

beforeAll(async () => {
  site = await createSite(NEWEST, {
    app: UNVISITED,
    inputs: { canary: 'off', 'stable-for': '500ms', 'health-timeout': '10s' },
  });
  ({ host } = site);
});
afterAll(() => site?.stop());

const commit = (options: Partial<FixtureOptions>): string => site.commit({ version: '1', ...options });

/** What an injected command would have made. The host program may be removing files of its own meanwhile. */
const pwned = (): string =>
  execFileSync('find', [host.directory, '-ignore_readdir_race', '-name', 'pwned*'], { encoding: 'utf8' });

/** All that the job shows or passes on. */
const shown = (run: ActionRun): string =>
  [run.stdout, run.stderr, run.summary, JSON.stringify(run.outputs)].join('\n');

test('a wrong host key: nothing is sent, and the key that was presented is shown', async () => {
  await using other = await createHost();
  const before = host.ssh.log();
  const run = await site.deploy({
    ref: commit({}),
    'known-hosts': other.ssh.knownHosts.replace(other.access.port, host.access.port),
  });
  expect(run, run.stdout).toMatchObject({ code: 1, outputs: { outcome: 'failed' } });
  expect(run.stdout).toContain(host.ssh.fingerprint);
  const log = host.ssh.log().slice(before.length);
  expect(log).toContain('Connection');
  expect(log).not.toMatch(/Accepted|Failed|userauth-request|Postponed/);
});

test('no pinned host key: nothing is sent either, and the line to pin is shown', async () => {
  const run = await site.deploy({ ref: commit({}), 'known-hosts': '' });
  expect(run, run.stdout).toMatchObject({ code: 1, outputs: { outcome: 'failed' } });
  expect(run.stdout).toContain(host.ssh.knownHosts.trim().split(' ').slice(1).join(' '));
});

test.each([
  ['ref', ';touch pwned'],
  ['ref', '--upload-pack=touch pwned'],
  ['ref', '$(touch pwned)'],
  ['repository', 'ext::sh -c touch% pwned'],
  ['repository', '--upload-pack=touch pwned'],
  ['working-directory', '../../etc'],
  ['ecosystem', '../evil.js'],
])('%s: %s is refused by name, and nothing is executed', async (name, value) => {
  const run = await site.deploy({ ref: commit({}), [name]: value });
  expect(run, run.stdout).toMatchObject({ code: 1, outputs: { outcome: 'failed' } });
  expect(run.stdout).toContain(name);
  expect(pwned()).toBe('');
});

test('an app named like a command, at a path with blanks and quotes, is deployed as it is', async () => {
  const name = '$(touch pwned)';
  const where = 'my "shop" \'s; touch pwned';
  const sha = commit({ name });
  const run = await site.deploy({ ref: sha, path: where, app: name });
  expect(run, run.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed', sha } });
  const live = path.join(host.directory, where);
  expect(await host.instances(name)).toMatchObject([{ cwd: live }, { cwd: live }]);
  expect(pwned()).toBe('');
  await host.pm2(['delete', 'all']);
});

const HOSTILE = [
  '::stop-commands::x',
  'a ##[add-mask]e',
  'x\r::set-output name=outcome::deployed',
  '::set-output name=sha::0000000000000000000000000000000000000000',
  '##[set-output name=outcome;]deployed',
  '```',
  '</details><script>alert(1)</script>',
  '\u001b]0;title\u0007\u001b[2J',
  '![x](https://example.com/x.png) @octocat',
];

test('a build that prints workflow commands and markup changes no output, mask or formatting', async () => {
  const run = await site.deploy({ ref: commit({ flaw: 'build fails', buildPrints: HOSTILE }) });
  expect(run, run.stdout).toMatchObject({ code: 1, outputs: { outcome: 'failed' } });
  expectHarmless(run);
  expect(run.stdout).toContain('the build of this version is broken');
});

test('so does an app that prints them as it dies', async () => {
  const sha = commit({ version: 'bad', flaw: 'throws at boot', appPrints: HOSTILE });
  const run = await site.deploy({ ref: sha });
  expect(run, run.stdout).toMatchObject({ code: 1, outputs: { outcome: 'rolled-back' } });
  expectHarmless(run);
  expect(run.stdout).toContain('version bad cannot boot');
});

/** The workflow's own, as the rig has it. */
const TOKEN = 'ghs_madeUpTokenOfTheTestRig';

/** Only what the action says itself is a command: masks of its own inputs, groups, and annotations. */
function expectHarmless(run: ActionRun): void {
  expect(run.outputs.outcome).not.toBe('deployed');
  expect(run.outputs.sha).not.toMatch(/^0+$/);
  const names = new Set(run.commands.map((one) => one.name));
  for (const name of names) expect(['add-mask', 'group', 'endgroup', 'error', 'warning']).toContain(name);
  const masks = run.commands.filter((one) => one.name === 'add-mask').map((one) => one.data);
  for (const mask of masks) expect(`${host.access.key}\n${TOKEN}`).toContain(mask);
  expect(run.droppedOutputs).toEqual([]);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not be there.
  expect(run.stdout).not.toMatch(/[\u0000-\u0008\u000b-\u001a\u001c-\u001f]|\u001b(?!\[[\d;]*m)/);
  // In code nothing is HTML or Markdown; it must not come to stand outside of it.
  const markdown = outsideOfCode(run.summary);
  expect(markdown).not.toMatch(/!\[x\]|```|@octocat|<script/);
  expect(markdown.match(/<details/g)?.length ?? 0).toBe(markdown.match(/<\/details>/g)?.length ?? 0);
}

test('nothing secret shows in a log, an argument list, an output, a summary or a file that others can read', async () => {
  const secrets = {
    env: 'sk_live_51H8vEnvFileValue',
    config: 'postgres://shop:Ecosystem8Value@db/shop',
    shell: 'shell-init-8-secret-value',
    url: 'health-8-query-value',
  };
  const files = site.files({
    version: 'leaks',
    flaw: 'throws at boot',
    buildPrints: [`build sees ${secrets.env}`],
    appPrints: [`connecting to ${secrets.config} with ${secrets.env}`, `asked by ${secrets.url}`],
  });
  files['ecosystem.config.js'] = (files['ecosystem.config.js'] ?? '').replace(
    '"PORT"',
    `"DATABASE_URL": "${secrets.config}", "PORT"`,
  );
  const good = site.files({ version: 'good' });
  good['ecosystem.config.js'] = files['ecosystem.config.js'];
  // PM2 runs nothing yet: what the app may print is known from its own files alone.
  const broken = await site.deploy({
    ref: site.commit({ files: { ...files, '.env.production': `KEY=${secrets.env}\n` } }),
  });
  expect(broken, broken.stdout).toMatchObject({ outputs: { outcome: 'rolled-back' } });
  expect(broken.stdout).toContain('connecting to *** with ***');
  expect(shown(broken)).not.toContain(secrets.config);
  expect(shown(broken)).not.toContain(secrets.env);

  const first = await site.deploy({ ref: site.commit({ files: good }) });
  expect(first, first.stdout).toMatchObject({ outputs: { outcome: 'deployed' } });
  writeFileSync(path.join(site.live, '.env'), `STRIPE_KEY=${secrets.env}\n`, { mode: 0o600 });

  const action = site.start({
    ref: site.commit({ files }),
    'shell-init': `export TOKEN=${secrets.shell}`,
    'health-url': `http://127.0.0.1:${site.port}/health?key=${secrets.url}`,
  });
  const seen = new Set<string>();
  const watch = setInterval(() => collectArguments(seen), 20);
  const run = await action.done;
  clearInterval(watch);
  expect(run, run.stdout).toMatchObject({ code: 1, outputs: { outcome: 'rolled-back' } });
  expect(run.stdout).toContain('connecting to ***');
  expect(run.stdout).toContain('asked by ***');
  expect(run.stdout).toContain('/health?… answers 404');
  const keyLine = host.access.key.split('\n')[2] ?? '';
  // The one place for them is the line that tells GitHub's runner what to mask.
  const told = shown(run)
    .split('\n')
    .filter((line) => !line.startsWith('::add-mask::'))
    .join('\n');
  expect(seen.size).toBeGreaterThan(10);
  for (const secret of [...Object.values(secrets), keyLine]) {
    expect(told).not.toContain(secret);
    expect([...seen].filter((line) => line.includes(secret))).toEqual([]);
  }
  // Whatever lies in a directory that only its owner can enter is closed to others.
  const doors = [
    path.join(host.directory, '.shop.pm2-ssh-deploy'),
    path.join(host.directory, '.local/state/pm2-ssh-deploy'),
  ];
  expect(doors.map((door) => statSync(door).mode & 0o077)).toEqual([0, 0]);
  expect(statSync(path.join(host.pm2Home, 'dump.pm2')).mode & 0o077).toBe(0);
});

/** Every process's arguments, as any user of the host can read them. */
function collectArguments(seen: Set<string>): void {
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      seen.add(readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' '));
    } catch {
      // It has ended.
    }
  }
}

test('what is left on the host after all of these is not in the way of others', () => {
  expect(existsSync(path.join(site.live, '.git', 'index.lock'))).toBe(false);
});
