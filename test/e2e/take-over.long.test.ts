import { expect, test } from 'vitest';
import type { ActionRun } from '../rig/action.ts';
import { startByHand } from '../rig/by-hand.ts';
import { type LoadResult, startLoad } from '../rig/load.ts';
import { ALL_RUNTIMES, NEWEST, type Runtime } from '../rig/pm2.ts';
import { createSite, type Site } from '../rig/site.ts';

/** A version whose `start` script runs the built server, which finds its port without PM2's environment. */
function version(site: Site, name: string, more: Record<string, string> = {}): string {
  const files = site.files({ version: name });
  const { 'ecosystem.config.js': _, ...others } = files;
  return site.repository.commit({
    ...others,
    'package.json': JSON.stringify({
      name: 'shop',
      version: '1.0.0',
      scripts: { build: 'node build.js', start: 'node dist/server.js' },
    }),
    'src/server.js': `process.env.PORT ??= '${site.port}';\n${others['src/server.js']}`,
    'run.sh': '#!/bin/bash\nnode dist/server.js\n',
    ...more,
  });
}

interface TakenOver {
  run: ActionRun;
  load: LoadResult;
}

async function underLoad(site: Site, deploy: () => Promise<ActionRun>): Promise<TakenOver> {
  // PM2 takes an app in fork mode for started before it listens.
  await expect.poll(() => site.served().catch(() => null)).toBe('1');
  const load = startLoad({ url: `http://127.0.0.1:${site.port}/version` });
  await load.sees('1', 10_000);
  const run = await deploy();
  await load.sees('2', 5_000).catch(() => {});
  return { run, load: await load.stop() };
}

function report(title: string, { load }: TakenOver): void {
  console.log(
    `${title}: ${load.failed} of ${load.sent} failed, ${Math.round(load.failingForMs)} ms, ${JSON.stringify(load.failures)}`,
  );
}

/** What one stop and one start may cost 20 connections on a busy machine: refused ones are counted every 10 ms. */
const ONE_RESTART = 5_000;

test.each<[string, Runtime, string[]]>([
  ['pm2 start "npm run start"', NEWEST, ['start', 'npm run start', '--name', 'shop']],
  ['pm2 start run.sh', NEWEST, ['start', 'run.sh', '--name', 'shop']],
  ['pm2 start npm -- start', NEWEST, ['start', 'npm', '--name', 'shop', '--', 'start']],
  ...ALL_RUNTIMES.map((runtime): [string, Runtime, string[]] => [
    `pm2 start npm -i 1 -- start (${runtime.name})`,
    runtime,
    ['start', 'npm', '-i', '1', '--name', 'shop', '--', 'start'],
  ]),
])('%s, taken over by `app` and `script`', async (title, runtime, command) => {
  await using site = await createSite(runtime);
  await startByHand(site, version(site, '1'), command);
  const sha = version(site, '2');
  const inputs = { app: 'shop', script: 'dist/server.js', ref: sha };
  const taken = await underLoad(site, () => site.deploy(inputs));
  report(title, taken);
  const { run, load } = taken;
  expect(run, run.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed', sha } });
  expect(load.failingForMs).toBeLessThan(ONE_RESTART);

  const next = version(site, '3');
  const again = await site.deploy({ ...inputs, ref: next });
  expect(again, again.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed', sha: next } });
  expect(again.stdout).toContain('canary');
  expect(await site.served()).toBe('3');
});
