import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type FixtureOptions, INSTANCES, UNVISITED } from '../rig/fixture-app.ts';
import type { Host } from '../rig/host.ts';
import { atRest } from '../rig/leftovers.ts';
import { startLoad } from '../rig/load.ts';
import type { Runtime } from '../rig/pm2.ts';
import { createSite, type Site } from '../rig/site.ts';

/** `.git` keeps what was fetched; all else in the live directory is the app. */
const TREE = { except: ['.git'] };
/** The versions whose instances replace each other under load. */
const VISITED = { drain: 1000, settings: {} };

/**
 * One host lives through a row of deploys, as a server does: each test leaves it to the next one.
 * The acceptance list of the project's first issue, points 1 to 5.
 */
/** On one runtime: the newest is for every change, the oldest takes long. */
export function oneHost(runtime: Runtime): void {
  describe(`one host, in place: ${runtime.name}`, () => {
    let site: Site;
    let host: Host;
    let live: string;

    beforeAll(async () => {
      site = await createSite(runtime, { app: UNVISITED, inputs: { canary: 'off' } });
      ({ host, live } = site);
    });
    afterAll(() => site?.stop());

    let first: string;
    let second: string;

    test('a first deploy, where the app does not run yet', async () => {
      first = site.commit({ version: '1', ...VISITED });
      const run = await site.deploy({ ref: first });
      expect(run, run.stdout).toMatchObject({
        code: 0,
        outputs: { outcome: 'deployed', sha: first, 'previous-sha': '' },
      });
      expect(await site.served()).toBe('1');
      const instances = await host.instances('shop');
      expect(instances).toHaveLength(INSTANCES);
      expect(instances).toMatchObject([
        { status: 'online', cwd: live },
        { status: 'online', cwd: live },
      ]);
      const [one] = JSON.parse(run.outputs.hosts ?? '') as Record<string, unknown>[];
      expect(one).toMatchObject({
        host: 'host-1',
        outcome: 'deployed',
        sha: first,
        instances: INSTANCES,
        failure: null,
      });
      writeFileSync(path.join(live, '.env'), 'PAYMENT_KEY=sk_live_keep_me\n', { mode: 0o600 });
      mkdirSync(path.join(live, 'uploads'));
      writeFileSync(path.join(live, 'uploads', 'a visitor\'s "photo".jpg'), 'bytes');
    });

    test('a second version, under load: all instances are new, nothing is lost', async () => {
      const old = await host.pids('shop');
      second = site.commit({ version: '2', ...VISITED });
      const load = startLoad({ url: `http://127.0.0.1:${site.port}/version` });
      await load.sees('1', 10_000);
      const run = await site.deploy({ ref: second });
      const result = await load.stop();
      expect(run, run.stdout).toMatchObject({
        code: 0,
        outputs: { outcome: 'deployed', sha: second, 'previous-sha': first },
      });
      expect(await site.served()).toBe('2');
      const pids = await host.pids('shop');
      expect(pids).toHaveLength(INSTANCES);
      expect(pids.filter((pid) => old.includes(pid))).toEqual([]);
      expect(result.versions['2']).toBeGreaterThan(0);
      expect(result.failures).toEqual({});
    });

    test('the commit that is live already, and healthy, is left alone', async () => {
      const pids = await host.pids('shop');
      await atRest(host.directory);
      const sum = host.checksum(live);
      const run = await site.deploy({ ref: second });
      expect(run, run.stdout).toMatchObject({
        code: 0,
        outputs: { outcome: 'unchanged', sha: second, 'previous-sha': second },
      });
      expect(await host.pids('shop')).toEqual(pids);
      await atRest(host.directory);
      expect(host.checksum(live)).toBe(sum);
    });

    test('a branch that moved on does not change which commit is deployed', async () => {
      site.commit({ version: 'not asked for' });
      const run = await site.deploy({ ref: second });
      expect(run.outputs).toMatchObject({ outcome: 'unchanged', sha: second });
    });

    test('a build that fails leaves the live app untouched, and its last lines are told', async () => {
      const pids = await host.pids('shop');
      const sum = host.checksum(live, TREE);
      const run = await site.deploy({ ref: site.commit({ version: '3', flaw: 'build fails' }) });
      expect(run, run.stdout).toMatchObject({
        code: 1,
        outputs: { outcome: 'failed', sha: second, 'previous-sha': second },
      });
      expect(run.stdout).toContain('the build of this version is broken');
      expect(run.summary).toContain('the build of this version is broken');
      expect(await host.pids('shop')).toEqual(pids);
      expect(host.checksum(live, TREE)).toBe(sum);
    });

    test.each<[FixtureOptions['flaw'], Record<string, string>, string | null]>([
      ['throws at boot', {}, 'version throws at boot cannot boot'],
      ['crashes after 3 s', { 'stable-for': '6s' }, 'version crashes after 3 s crashes after three seconds'],
      [
        'never listens',
        { 'health-timeout': '4s' },
        'version never listens waits for something that never comes',
      ],
    ])('a version that %s is rolled back', async (flaw, inputs, words) => {
      const sum = host.checksum(live, TREE);
      const run = await site.deploy({
        ref: site.commit({ version: String(flaw), ...(flaw && { flaw }) }),
        ...inputs,
      });
      expect(run, run.stdout).toMatchObject({
        code: 1,
        outputs: { outcome: 'rolled-back', sha: second, 'previous-sha': second },
      });
      expect(host.checksum(live, TREE)).toBe(sum);
      expect(await site.served()).toBe('2');
      const instances = await host.instances('shop');
      expect(instances).toMatchObject([
        { status: 'online', cwd: live },
        { status: 'online', cwd: live },
      ]);
      expect(run.stdout).toContain(words);
      expect(run.summary).toContain(words);
      expect(run.summary).toContain('was rolled back. The app is up on');
    });

    test('after a rollback the version that runs counts as unchanged', async () => {
      const run = await site.deploy({ ref: second });
      expect(run.outputs).toMatchObject({ outcome: 'unchanged' });
    });

    test('a tracked file with local changes is refused, named and kept', async () => {
      const file = path.join(live, 'src/server.js');
      const text = readFileSync(file, 'utf8');
      writeFileSync(file, `${text}\n// changed by hand\n`);
      const pids = await host.pids('shop');
      const run = await site.deploy({ ref: site.commit({ version: '7' }) });
      expect(run, run.stdout).toMatchObject({ code: 1, outputs: { outcome: 'failed' } });
      expect(run.stdout).toContain('src/server.js');
      expect(readFileSync(file, 'utf8')).toContain('// changed by hand');
      expect(await host.pids('shop')).toEqual(pids);
      writeFileSync(file, text);
    });

    test('a ref that does not exist is a clear failure before anything is touched', async () => {
      const sum = host.checksum(live, TREE);
      const run = await site.deploy({ ref: 'release/9' });
      expect(run, run.stdout).toMatchObject({ code: 1, outputs: { outcome: 'failed' } });
      expect(run.stdout).toContain("has no branch or tag 'release/9'");
      expect(host.checksum(live, TREE)).toBe(sum);
    });

    test('a good version after all of these', async () => {
      const sha = site.commit({ version: '8' });
      const run = await site.deploy({ ref: sha });
      expect(run, run.stdout).toMatchObject({
        code: 0,
        outputs: { outcome: 'deployed', sha, 'previous-sha': second },
      });
      expect(await site.served()).toBe('8');
    });

    test('what git does not know has survived all of it', () => {
      expect(readFileSync(path.join(live, '.env'), 'utf8')).toBe('PAYMENT_KEY=sk_live_keep_me\n');
      expect(readFileSync(path.join(live, 'uploads', 'a visitor\'s "photo".jpg'), 'utf8')).toBe('bytes');
      expect(existsSync(path.join(live, '.git', 'worktrees'))).toBe(false);
    });
  });
}
