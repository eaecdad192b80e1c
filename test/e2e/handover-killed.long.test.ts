import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { hostProgramOf, processesOf } from '../rig/leftovers.ts';
import { startLoad } from '../rig/load.ts';
import { NEWEST } from '../rig/pm2.ts';
import { createSite, type Site } from '../rig/site.ts';

/** One instance in fork mode, without a line of shutdown code. */
const FORK = { shutdown: 'none', settings: { exec_mode: 'fork', instances: 1, wait_ready: false } } as const;

let site: Site;
beforeEach(async () => {
  site = await createSite(NEWEST, { inputs: { canary: 'off' } });
  const run = await site.deploy({ ref: site.commit({ ...FORK, version: 'v1' }) });
  expect(run.outputs.outcome, run.stdout).toBe('deployed');
});
afterEach(() => site?.stop());

const commandLine = (pid: number): string => {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return '';
  }
};
const serving = (): number[] =>
  processesOf(site.host.directory).filter((pid) => /^(?!sh\0).*server\.js/s.test(commandLine(pid)));

const STRIKES: Record<string, () => number> = {
  'the host program': () => hostProgramOf(site.host.directory),
  "PM2's command": () =>
    processesOf(site.host.directory).find((pid) => commandLine(pid).includes('startOrReload')) ?? 0,
  "PM2's daemon": () => Number(readFileSync(`${site.host.pm2Home}/pm2.pid`, 'utf8')),
};

describe.each([
  ['the host program', 0],
  ['the host program', 300],
  ['the host program', 600],
  ['the host program', 1_000],
  ["PM2's command", 300],
])('%s is killed %i ms after a second instance was listed', (what, after) => {
  test('the same job ends it: one entry, one process, one version, and no request was lost', async () => {
    const load = startLoad({ url: `http://127.0.0.1:${site.port}/version`, connections: 5, fresh: 3 });
    await load.sees('v1', 10_000);
    const action = site.start({ ref: site.commit({ ...FORK, version: 'v2' }) });
    await action.says(/a second instance/);
    await sleep(after);
    const pid = STRIKES[what]?.() ?? 0;
    if (pid > 0) process.kill(pid, 'SIGKILL');
    const run = await action.done;
    const { outcome } = run.outputs;
    expect(['deployed', 'rolled-back'], run.stdout).toContain(outcome);
    const version = outcome === 'deployed' ? 'v2' : 'v1';
    const after30 = await load.stop();
    expect(
      (await site.host.instances()).map(({ status }) => status),
      run.stdout,
    ).toEqual(['online']);
    expect(serving(), run.stdout).toHaveLength(1);
    expect(await site.served()).toBe(version);
    expect(after30.failures, run.stdout).toEqual({});

    const next = await site.deploy({ ref: site.commit({ ...FORK, version: 'v3' }) });
    expect(next.outputs.outcome, next.stdout).toBe('deployed');
    expect(serving()).toHaveLength(1);
    expect(await site.served()).toBe('v3');
  });
});

test("with PM2's daemon its apps end; the same job starts one of them again", async () => {
  const action = site.start({ ref: site.commit({ ...FORK, version: 'v2' }) });
  await action.says(/a second instance/);
  await sleep(600);
  process.kill(STRIKES["PM2's daemon"]?.() ?? 0, 'SIGKILL');
  const run = await action.done;
  expect(run.outputs.outcome, run.stdout).toBe('rolled-back');
  expect(
    (await site.host.instances()).map(({ status }) => status),
    run.stdout,
  ).toEqual(['online']);
  expect(serving(), run.stdout).toHaveLength(1);
  expect(await site.served()).toBe('v1');
});

test("what npm started outlives PM2's daemon; it is ended once its successor listens", async () => {
  const files = (version: string) => {
    const all = site.files({
      ...FORK,
      version,
      settings: { ...FORK.settings, script: 'npm', args: 'start' },
    });
    return {
      files: {
        ...all,
        'package.json': JSON.stringify({
          name: 'a',
          version: '1.0.0',
          scripts: { start: 'node dist/server.js' },
        }),
        'build.js': (all['build.js'] ?? '').replace('"npm"', '"dist/server.js"'),
      },
    };
  };
  for (const version of ['n1', 'n2']) {
    const run = await site.deploy({ ref: site.commit(files(version)) });
    expect(run.outputs.outcome, run.stdout).toBe('deployed');
  }
  process.kill(STRIKES["PM2's daemon"]?.() ?? 0, 'SIGKILL');
  const run = await site.deploy({ ref: site.commit(files('n3')) });
  expect(run.outputs.outcome, run.stdout).toBe('deployed');
  expect(serving(), run.stdout).toHaveLength(1);
  expect(await site.served()).toBe('n3');
});
