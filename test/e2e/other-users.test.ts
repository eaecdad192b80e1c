import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { UNVISITED } from '../rig/fixture-app.ts';
import { NEWEST } from '../rig/pm2.ts';
import { createSite, type Site } from '../rig/site.ts';

/** Another login of the same server, who is no friend. */
const MALLORY = `pm2sd-${process.pid}`;
const asMallory = (command: string): string =>
  execFileSync('su', ['-s', '/bin/sh', MALLORY, '-c', command], { encoding: 'utf8', stdio: 'pipe' });

let site: Site;
/** As a shared /var/www: everybody may make a name in it. */
let shared: string;
let live: string;
beforeAll(async () => {
  execFileSync('useradd', ['--no-create-home', MALLORY]);
  site = await createSite(NEWEST, { app: UNVISITED });
  shared = path.join(site.host.directory, 'www');
  live = path.join(shared, 'shop');
  mkdirSync(shared);
  chmodSync(site.host.directory, 0o755);
  chmodSync(shared, 0o1777);
});
afterAll(async () => {
  await site?.stop();
  execFileSync('userdel', [MALLORY]);
});

const beside = (): string => path.join(shared, '.shop.pm2-ssh-deploy');
const deploy = (ref: string, inputs: Record<string, string> = {}) =>
  site.deploy({ ref, path: live, canary: 'off', ...inputs });

test("another user's open directory in the place of ours: nothing is built in it, and the job says what it found", async () => {
  const sha = site.commit({ version: '1' });
  asMallory(`mkdir -m 0777 ${beside()}`);
  const run = await deploy(sha);
  expect(run, run.stdout).toMatchObject({ code: 1, outputs: { outcome: 'failed' } });
  expect(run.stdout).toContain(`${beside()} belongs to the user with id`);
  expect(run.stdout).toContain(`ls -ld ${beside()}`);
  expect(readdirSync(beside())).toEqual([]);
  rmSync(beside(), { recursive: true });
});

test('a link to another directory of the deployer: nothing behind it is touched', async () => {
  const precious = path.join(site.host.directory, 'precious');
  mkdirSync(path.join(precious, 'photos'), { recursive: true, mode: 0o700 });
  asMallory(`ln -s ${precious} ${beside()}`);
  const run = await deploy(site.commit({ version: '1' }));
  expect(run, run.stdout).toMatchObject({ code: 1, outputs: { outcome: 'failed' } });
  expect(run.stdout).toContain(`a link to ${precious}`);
  expect(readdirSync(precious)).toEqual(['photos']);
  rmSync(beside());
});

test('a lock that is held on path and on PM2_HOME keeps no deploy out, and the log names who holds it', async () => {
  mkdirSync(live, { recursive: true });
  const held = [live, site.host.pm2Home].map((directory) =>
    spawn('su', ['-s', '/bin/sh', MALLORY, '-c', `exec flock --no-fork ${directory} cat`], {
      stdio: ['pipe', 'ignore', 'ignore'],
    }),
  );
  const isFree = (directory: string): boolean => spawnSync('flock', ['-n', directory, 'true']).status === 0;
  await expect.poll(() => isFree(live) || isFree(site.host.pm2Home)).toBe(false);
  const run = await deploy(site.commit({ version: '1' }));
  for (const child of held) child.stdin.end();
  expect(run, run.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed' } });
  for (const directory of [live, site.host.pm2Home])
    expect(run.stdout).toMatch(
      new RegExp(`The lock of ${directory} is held by process \\d+ \\(cat\\) of the user ${MALLORY}`),
    );
});

test('a directory that was exchanged while the build ran: none of its code runs, and the live app stays', async () => {
  chmodSync(shared, 0o777);
  const pwned = path.join(site.host.directory, 'pwned');
  writeFileSync(
    path.join(site.host.directory, 'exchange.sh'),
    `mv ${beside()} ${beside()}.away
mkdir -p ${beside()}/staging
printf '%s' "require('fs').writeFileSync('${pwned}', ''); module.exports = { apps: [] };" > ${beside()}/staging/ecosystem.config.js
chmod -R 0777 ${beside()}
`,
  );
  const run = await deploy(site.commit({ version: '2' }), {
    'build-command': `node build.js && su -s /bin/sh ${MALLORY} -c 'sh ${site.host.directory}/exchange.sh'`,
  });
  expect(run, run.stdout).toMatchObject({ code: 1, outputs: { outcome: 'failed' } });
  expect(run.stdout).toContain(`${beside()} belongs to the user with id`);
  expect(existsSync(pwned)).toBe(false);
  expect(await site.served()).toBe('1');
  expect(JSON.parse(readFileSync(path.join(live, 'dist/version.json'), 'utf8'))).toEqual({ version: '1' });
});

test("another user's directory of states: the program is not even written there", async () => {
  const states = path.join(site.host.directory, 'states');
  mkdirSync(states);
  chmodSync(states, 0o1777);
  asMallory(`mkdir -m 0777 ${states}/pm2-ssh-deploy`);
  const run = await deploy(site.commit({ version: '3' }), {
    'shell-init': `export XDG_STATE_HOME=${states}`,
  });
  expect(run, run.stdout).toMatchObject({ code: 1 });
  expect(run.stdout).toContain(`${states}/pm2-ssh-deploy belongs to the user with id`);
  expect(execFileSync('find', [states, '-type', 'f'], { encoding: 'utf8' })).toBe('');
});
