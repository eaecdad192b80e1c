import { expect, test } from 'vitest';
import { startLoad } from '../rig/load.ts';
import { NEWEST } from '../rig/pm2.ts';
import { createSite } from '../rig/site.ts';

/** How the instances of an app were started, as PM2 has it. */
const PRELOADED =
  /^--import=data:text\/javascript,.*\/pm2-ssh-deploy\/handover-1-\w+\.cjs'\)\(\{share:false,drain:true\}\)/;

test('in cluster mode, without a line of shutdown code, no request is lost once it is deployed with drain', async () => {
  await using site = await createSite(NEWEST);
  const nodeArgs = async (): Promise<unknown[]> =>
    (await site.host.entries()).map(({ node_args }) => node_args ?? []);
  let sha = '';
  const deploy = (version: string, inputs: Record<string, string> = {}) => {
    sha = site.commit({ version, shutdown: 'none' });
    return site.deploy({ ref: sha, canary: 'off', ...inputs });
  };

  const first = await deploy('v1');
  expect(first.outputs.outcome, first.stdout).toBe('deployed');
  expect(await nodeArgs()).toEqual([[expect.stringMatching(PRELOADED)], [expect.stringMatching(PRELOADED)]]);

  const load = startLoad({ url: `http://127.0.0.1:${site.port}/version`, fresh: 5 });
  await load.sees('v1', 10_000);
  for (const version of ['v2', 'v3']) {
    const run = await deploy(version, { canary: 'auto' });
    expect(run.outputs.outcome, run.stdout).toBe('deployed');
    expect(run.stdout).not.toContain('needs');
    await load.sees(version, 10_000);
  }
  const { failures, sent } = await load.stop();
  expect(failures).toEqual({});
  expect(sent).toBeGreaterThan(300);

  const same = { ref: sha, canary: 'off' };
  const again = await site.deploy(same);
  expect(again.outputs.outcome, again.stdout).toBe('unchanged');
  const off = await site.deploy({ ...same, drain: 'off' });
  expect(off.outputs.outcome, off.stdout).toBe('deployed');
  expect(await nodeArgs()).toEqual([[], []]);
});
