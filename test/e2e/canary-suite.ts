import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { FixtureOptions } from '../rig/fixture-app.ts';
import { startLoad } from '../rig/load.ts';
import type { Runtime } from '../rig/pm2.ts';
import { createSite, type Site } from '../rig/site.ts';

const TREE = { except: ['.git'] };

/** Each test leaves the server to the next one, as deploys do. */
/** On one runtime: the newest is for every change, the oldest takes long. */
export function canaries(runtime: Runtime): void {
  describe(`canary: ${runtime.name}`, () => {
    let site: Site;
    let good: string;
    beforeAll(async () => {
      site = await createSite(runtime);
    });
    afterAll(() => site?.stop());

    test('an app that does not run yet has none; from then on each version proves itself first', async () => {
      const first = await site.deploy({ ref: site.commit({ version: '1' }) });
      expect(first, first.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed' } });
      expect(first.stdout).toContain("No canary for 'shop': it does not run yet");
      good = site.commit({ version: '2' });
      const load = startLoad({ url: `http://127.0.0.1:${site.port}/version` });
      await load.sees('1', 10_000);
      const run = await site.deploy({ ref: good, 'health-url': '/health' });
      const { failures, versions } = await load.stop();
      expect(run, run.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed', sha: good } });
      expect(run.stdout).toContain('canary');
      expect(failures).toEqual({});
      expect(versions['2']).toBeGreaterThan(0);
      expect((await site.host.instances()).map(({ name }) => name)).toEqual(['shop', 'shop']);
    });

    test.each<[NonNullable<FixtureOptions['flaw']>, Record<string, string>, string]>([
      ['throws at boot', {}, 'cannot boot'],
      ['crashes after 3 s', { 'stable-for': '4s' }, 'crashes after three seconds'],
      ['never listens', { 'health-timeout': '3s' }, 'does not listen on port'],
      [
        'answers 500 on /health',
        { 'health-timeout': '3s' },
        'answers 500: version answers 500 on /health cannot reach',
      ],
    ])('a version that %s costs the live instances nothing', async (flaw, inputs, words) => {
      const pids = await site.host.pids('shop');
      const sum = site.host.checksum(site.live, TREE);
      const load = startLoad({ url: `http://127.0.0.1:${site.port}/version` });
      await load.sees('2', 10_000);
      const run = await site.deploy({
        ref: site.commit({ version: flaw, flaw }),
        'health-url': '/health',
        ...inputs,
      });
      const { failures, versions } = await load.stop();
      expect(run, run.stdout).toMatchObject({ code: 1, outputs: { outcome: 'failed', sha: good } });
      expect(run.stdout).toContain('Failed in canary: ');
      expect(run.stdout).toContain(words);
      expect(failures).toEqual({});
      expect(Object.keys(versions)).toEqual(['2']);
      expect(await site.host.pids()).toEqual(pids);
      expect(site.host.checksum(site.live, TREE)).toBe(sum);
    });
  });
}
