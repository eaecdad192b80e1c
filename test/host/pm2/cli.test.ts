import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { type DeployApp, deployConfig } from '../../../src/host/pm2/app-config.ts';
import { type ReloadOptions, reloadTimeLimit, startOrReload } from '../../../src/host/pm2/cli.ts';
import { saveApps } from '../../../src/host/pm2/dump.ts';
import { type Instance, listInstances } from '../../../src/host/pm2/list.ts';
import { removeInstances } from '../../../src/host/pm2/remove.ts';
import { openRpc, type Rpc } from '../../../src/host/pm2/rpc.ts';
import { pm2Environment } from '../../../src/host/system/environment.ts';
import { isAlive } from '../../../src/host/system/processes.ts';
import { ALL_RUNTIMES, type PrivatePm2, startPm2 } from '../../rig/pm2.ts';

const LIMIT = 5_000;

test.each(ALL_RUNTIMES)(
  '$name: starts, reloads, removes and saves; nothing of the caller reaches the app',
  async (runtime) => {
    await using pm2 = await startPm2(runtime);
    const { options, work } = prepare(pm2);
    writeFileSync(
      join(work, 'app.js'),
      `const fs = require('fs');
     fs.writeFileSync(process.env.OUT + process.env.NODE_APP_INSTANCE, JSON.stringify(process.env));
     setInterval(() => {}, 1e6);`,
    );
    const [web = appless()] = deployConfig(
      [
        {
          name: 'web',
          script: 'app.js',
          instances: 2,
          listen_timeout: 300,
          env: { OUT: join(pm2.home, 'env-') },
          env_production: { STAGE: 'p' },
        },
      ],
      { workDir: work, deployId: 'deploy-1', pm2Env: 'production' },
    );
    const other: DeployApp = {
      name: 'web-canary',
      script: 'app.js',
      cwd: work,
      env: { OUT: join(pm2.home, 'canary-') },
    };

    const lines: string[] = [];
    const first = startOrReload({
      ...options,
      apps: [web, other],
      pm2Env: 'production',
      onLine: (line) => lines.push(line),
    });
    expect(statSync(join(options.dir, 'pm2-ssh-deploy.json')).mode & 0o777).toBe(0o600);
    expect(await first.done).toMatchObject({ code: 0, stopped: null });
    expect(existsSync(join(options.dir, 'pm2-ssh-deploy.json'))).toBe(false);
    expect(lines.join('\n')).toContain('App [web] launched (2 instances)');
    expect(lines.join('\n')).not.toContain('\u001b[');

    const rpc = await openRpc(pm2.home, LIMIT);
    if (!rpc) throw new Error('no daemon');
    const list = (): Promise<Instance[]> => listInstances(rpc, LIMIT);
    const before = (await list()).filter(({ name }) => name === 'web');
    expect(before.map(({ deployId, execMode, status }) => [deployId, execMode, status])).toEqual(
      Array(2).fill(['deploy-1', 'cluster', 'online']),
    );
    expect(before[0]?.env).toMatchObject({ STAGE: 'p', HOME: pm2.home });
    const text = await settled(join(pm2.home, 'env-0'));
    for (const leaked of ['SSH_CLIENT', 'GITHUB_TOKEN', 'NO_COLOR', 'NODE_OPTIONS'])
      expect(text).not.toContain(leaked);

    const next = deployConfig([web], { workDir: work, deployId: 'deploy-2', pm2Env: 'production' });
    expect(
      await startOrReload({ ...options, apps: next, pm2Env: 'production', running: before }).done,
    ).toMatchObject({
      code: 0,
    });
    const after = (await list()).filter(({ name }) => name === 'web');
    expect(after.map(({ pmId, deployId, restartTime }) => [pmId, deployId, restartTime])).toEqual(
      before.map(({ pmId }) => [pmId, 'deploy-2', 1]),
    );
    expect(after.some(({ pid }) => before.some((one) => one.pid === pid))).toBe(false);

    await saves(pm2, rpc);

    // An id that another app has by now is not touched.
    const canary = (await list()).filter(({ name }) => name === 'web-canary');
    await removeInstances(rpc, [
      ...canary,
      { pmId: after[0]?.pmId ?? -1, name: 'gone', pid: 0, killTimeout: null, settings: {} },
    ]);
    expect((await list()).map(({ name }) => name)).toEqual(['web', 'web']);
    expect(canary.map(({ pid }) => isAlive(pid))).toEqual([false]);
    rpc.close();
  },
);

/** The dump gets the apps that are named and keeps all others, whatever runs. */
async function saves(pm2: PrivatePm2, rpc: Rpc): Promise<void> {
  const path = join(pm2.home, 'dump.pm2');
  const dump = (): { name: string; [key: string]: unknown }[] => JSON.parse(readFileSync(path, 'utf8'));
  await saveApps(rpc, pm2.home, ['web'], LIMIT);
  expect(dump().map(({ name }) => name)).toEqual(['web', 'web']);
  expect(statSync(path).mode & 0o777).toBe(0o600);

  const ours = dump();
  await pm2.run(['save']);
  expect(stable(dump().filter(({ name }) => name === 'web'))).toEqual(stable(ours));

  const stranger = { name: 'stranger', pm_exec_path: '/srv/other.js', env: { SECRET: 's' } };
  writeFileSync(path, JSON.stringify([stranger, { name: 'web', old: true }, { ...stranger, name: 'last' }]), {
    mode: 0o644,
  });
  await saveApps(rpc, pm2.home, ['web', 'dropped'], LIMIT);
  expect(stable(dump())).toEqual(stable([stranger, ...ours, { ...stranger, name: 'last' }]));
  expect(statSync(path).mode & 0o777).toBe(0o600);

  writeFileSync(path, '[{ "SECRET": "half a du');
  await expect(saveApps(rpc, pm2.home, ['web'], LIMIT)).rejects.toThrow(
    new RegExp(`^PM2's dump ${path} cannot be read, so these apps are not saved`),
  );
  expect(readFileSync(path, 'utf8')).toBe('[{ "SECRET": "half a du');
}

test.each(ALL_RUNTIMES)('$name: an aborted reload leaves later instances as they were', async (runtime) => {
  await using pm2 = await startPm2(runtime);
  const { options, work } = prepare(pm2);
  writeFileSync(
    join(work, 'app.js'),
    'if (!process.env.BROKEN) process.send("ready"); setInterval(() => {}, 1e6);',
  );
  const app = (deployId: string, env: Record<string, string>): DeployApp[] =>
    deployConfig(
      [{ name: 'web', script: 'app.js', instances: 2, wait_ready: true, listen_timeout: 15_000, env }],
      {
        workDir: work,
        deployId,
        pm2Env: null,
      },
    );
  await startOrReload({ ...options, apps: app('deploy-1', {}) }).done;
  const rpc = await openRpc(pm2.home, LIMIT);
  if (!rpc) throw new Error('no daemon');
  const before = await listInstances(rpc, LIMIT);

  const reload = startOrReload({ ...options, apps: app('deploy-2', { BROKEN: '1' }), running: before });
  const running = async (): Promise<Instance | undefined> =>
    (await listInstances(rpc, LIMIT)).find(({ deployId }) => deployId === 'deploy-2');
  await expect.poll(running).toBeDefined();
  reload.abort();
  expect(await reload.done).toMatchObject({ stopped: 'cancelled' });
  const after = await listInstances(rpc, LIMIT);
  expect(after.map(({ deployId }) => deployId).sort()).toEqual(['deploy-1', 'deploy-2']);
  const kept = after.find(({ deployId }) => deployId === 'deploy-1');
  expect(before.map(({ pid }) => pid)).toContain(kept?.pid);
  rpc.close();
});

test('the time limit allows for every instance and its own limits', () => {
  const app = (settings: object): DeployApp => ({ name: 'web', script: 's', cwd: '/', env: {}, ...settings });
  const old = [
    { name: 'web', killTimeout: 9_000 },
    { name: 'else', killTimeout: 99_000 },
  ] as Instance[];
  expect(reloadTimeLimit([app({})], [], '7.0.4')).toBe(30_000 + 3_000 + 1_600);
  expect(reloadTimeLimit([app({ instances: 4, listen_timeout: 5_000 })], [], '7.0.4')).toBe(
    30_000 + 4 * 6_600,
  );
  expect(reloadTimeLimit([app({ wait_ready: true, listen_timeout: '5000' })], [], '6.0.14')).toBe(
    30_000 + 11_600,
  );
  expect(reloadTimeLimit([app({ wait_ready: true })], old, '7.0.4')).toBe(30_000 + 3_000 + 9_000);
});

/** Without what an app and PM2's own probes report to the daemon some time after the start. */
function stable(entries: Record<string, unknown>[]): Record<string, unknown>[] {
  return entries.map((entry) =>
    Object.fromEntries(
      Object.entries(entry).filter(([key]) => !/^(axm_|version|vizion_running|node_version)/.test(key)),
    ),
  );
}

function prepare(pm2: PrivatePm2): { options: ReloadOptions; work: string } {
  const work = join(pm2.home, 'work');
  const dir = join(pm2.home, 'private');
  mkdirSync(work);
  mkdirSync(dir, { mode: 0o700 });
  const session = {
    SSH_CLIENT: '203.0.113.9',
    GITHUB_TOKEN: 'secret',
    NO_COLOR: '1',
    NODE_OPTIONS: '--no-warnings',
  };
  const options: ReloadOptions = {
    pm2: { bin: pm2.bin, root: pm2.runtime.pm2Root, version: pm2.runtime.pm2Version },
    node: pm2.runtime.node,
    apps: [],
    removed: {},
    pm2Env: null,
    running: [],
    pm2Home: pm2.home,
    env: pm2Environment({ ...pm2.env, ...session }),
    dir,
    cwd: pm2.home,
  };
  return { options, work };
}

/** A file's text once a process has written it whole. */
async function settled(path: string): Promise<string> {
  await expect.poll(() => existsSync(path) && readFileSync(path, 'utf8').endsWith('}')).toBe(true);
  return readFileSync(path, 'utf8');
}

function appless(): never {
  throw new Error('a config of one app has one app');
}
