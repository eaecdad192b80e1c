import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { UNVISITED } from '../rig/fixture-app.ts';
import { hostProgramOf } from '../rig/leftovers.ts';
import { NEWEST } from '../rig/pm2.ts';
import { createSite, type Site } from '../rig/site.ts';

/** Each command adds a line to this file of the home, which lies outside of every version. */
let site: Site;
let diary: string;
beforeAll(async () => {
  site = await createSite(NEWEST, { app: UNVISITED });
  diary = path.join(site.host.directory, 'diary');
  const first = await site.deploy({ ref: site.commit({ version: '1' }) });
  expect(first, first.stdout).toMatchObject({ outputs: { outcome: 'deployed' } });
  writeFileSync(path.join(site.live, '.env'), 'DATABASE=the-live-one\n');
});
afterAll(() => site?.stop());
beforeEach(() => rmSync(diary, { force: true }));

const lines = (): string[] =>
  existsSync(diary) ? readFileSync(diary, 'utf8').split('\n').filter(Boolean) : [];
const note = (what: string): string => `echo "${what} $(cat version.json | tr -dc 0-9)" >> ~/diary`;
const around = { 'before-reload-command': note('before'), 'after-reload-command': note('after') };

describe('migrate-command', () => {
  test('runs once, in the new files with the live .env, before anything of the new version runs', async () => {
    const run = await site.deploy({
      ref: site.commit({ version: '2' }),
      'migrate-command': `${note('migrate')}\nset -a\n. ./.env\necho "$DATABASE" >> ~/diary\n`,
    });
    expect(run, run.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed' } });
    expect(lines()).toEqual(['migrate 2', 'the-live-one']);
    expect(run.stdout.indexOf('migrate on')).toBeLessThan(run.stdout.indexOf('] canary'));
    expect(await site.served()).toBe('2');
  });

  test('that fails activates nothing, and says what stays', async () => {
    const pids = await site.host.pids();
    const sum = site.host.checksum(site.live, { except: ['.git'] });
    const run = await site.deploy({
      ref: site.commit({ version: '3' }),
      'migrate-command': `${note('migrate')}\nfalse\n${note('never')}`,
      ...around,
    });
    expect(run, run.stdout).toMatchObject({ code: 1, outputs: { outcome: 'failed' } });
    expect(lines()).toEqual(['migrate 3']);
    expect(run.stdout).toContain('What the command did to the database stays');
    expect(await site.host.pids()).toEqual(pids);
    expect(site.host.checksum(site.live, { except: ['.git'] })).toBe(sum);
  });

  test('is not undone when the version fails after it, which the message says; mode rollback runs none', async () => {
    const broken = await site.deploy({
      ref: site.commit({ version: '4', flaw: 'throws at boot' }),
      'migrate-command': note('migrate'),
    });
    expect(broken, broken.stdout).toMatchObject({ code: 1, outputs: { outcome: 'failed' } });
    expect(broken.stdout).toContain('the schema was not rolled back');
    const back = await site.deploy({ mode: 'rollback', ref: '', 'migrate-command': note('migrate') });
    expect(back, back.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed' } });
    expect(lines()).toEqual(['migrate 4']);
  });
});

describe('commands around the reload', () => {
  test('run in the live directory: with the old files before, with the new ones after', async () => {
    const run = await site.deploy({ ref: site.commit({ version: '5' }), ...around });
    expect(run, run.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed' } });
    expect(lines()).toEqual(['before 1', 'after 5']);
  });

  test('the one after runs after a rollback too', async () => {
    const run = await site.deploy({
      ref: site.commit({ version: '6', flaw: 'crashes after 3 s' }),
      canary: 'off',
      'stable-for': '5s',
      ...around,
    });
    expect(run, run.stdout).toMatchObject({ code: 1, outputs: { outcome: 'rolled-back' } });
    expect(lines()).toEqual(['before 5', 'after 5']);
  });

  test('a failure before it activates nothing, and the one after still runs', async () => {
    const pids = await site.host.pids();
    const run = await site.deploy({
      ref: site.commit({ version: '7' }),
      ...around,
      'before-reload-command': `${note('before')}; false`,
    });
    expect(run, run.stdout).toMatchObject({ code: 1, outputs: { outcome: 'failed' } });
    expect(run.stdout).toContain('The before-reload command');
    expect(lines()).toEqual(['before 5', 'after 5']);
    expect(await site.host.pids()).toEqual(pids);
  });

  test('a failure after it leaves the new version, in a red job that says so', async () => {
    const sha = site.commit({ version: '8' });
    const run = await site.deploy({ ref: sha, 'after-reload-command': 'echo no such balancer >&2; exit 3' });
    expect(run, run.stdout).toMatchObject({ code: 1, outputs: { outcome: 'deployed', sha } });
    expect(run.stdout).toContain(
      "The after-reload command 'echo no such balancer >&2; exit 3' ended with exit code 3",
    );
    expect(await site.served()).toBe('8');
  });

  test('a cancel while the one before works runs the one after', async () => {
    const action = site.start({
      ref: site.commit({ version: '9' }),
      ...around,
      'before-reload-command': `${note('before')}; sleep 60`,
    });
    await expect.poll(lines).toEqual(['before 8']);
    action.process.kill('SIGINT');
    const run = await action.done;
    expect(run, run.stdout).toMatchObject({ code: 1, outputs: { outcome: 'failed' } });
    await expect.poll(lines).toEqual(['before 8', 'after 8']);
  });

  test('when the host program is killed in between, the same job runs the one after', async () => {
    const action = site.start({
      ref: site.commit({ version: '10' }),
      ...around,
      'before-reload-command': `${note('before')}; sleep 2`,
    });
    await expect.poll(lines).toEqual(['before 8']);
    process.kill(hostProgramOf(site.host.directory), 'SIGKILL');
    const run = await action.done;
    expect(run, run.stdout).toMatchObject({ code: 1, outputs: { outcome: 'failed' } });
    expect(lines()).toEqual(['before 8', 'after 8']);
    expect(await site.served()).toBe('8');
  });
});
