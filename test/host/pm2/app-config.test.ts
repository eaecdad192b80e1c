import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  type AppConfig,
  chooseApps,
  deployConfig,
  expectedInstances,
  moveApps,
} from '../../../src/host/pm2/app-config.ts';
import { type Instance, listInstances } from '../../../src/host/pm2/list.ts';
import { openRpc, type Rpc } from '../../../src/host/pm2/rpc.ts';
import type { DeployFailure } from '../../../src/host/system/failure.ts';
import { ALL_RUNTIMES, startPm2 } from '../../rig/pm2.ts';

describe('choosing apps', () => {
  const apps: AppConfig[] = [
    { name: 'web', script: 'a.js' },
    { script: './bin/job.worker.js' },
    { name: '$(id)', cmd: 'c.js' },
  ];

  test('takes all, or those that are named, with the name that PM2 gives', () => {
    expect(chooseApps(apps, []).map(({ name }) => name)).toEqual(['web', 'job.worker', '$(id)']);
    expect(chooseApps(apps, ['$(id)', 'web']).map(({ name }) => name)).toEqual(['web', '$(id)']);
  });

  test.each<[AppConfig[], string[], string]>([
    [apps, ['Web', 'x'], 'has no app "Web", "x"; it has "web", "job.worker", "$(id)"'],
    [[...apps, { name: 'web', script: 'b.js' }], ['web'], 'more than one app "web"'],
    [[{ name: 'web' }], [], 'The app "web" has no `script`'],
    [[{ instances: 2 }], [], 'neither `name` nor `script`'],
    [[{ name: 7, script: 'a.js' }], [], 'a `name` that is not text: 7'],
    [[{ name: 'all', script: 'a.js' }], [], 'cannot be named "all"'],
    [[{ name: '/we.*/', script: 'a.js' }], [], 'cannot be named "/we.*/"'],
    [[], [], 'has no app'],
  ])('%j with %j fails', (given, names, message) => {
    expect(() => chooseApps(given, names)).toThrow(message);
  });

  test('an app twice that is not chosen is none of ours', () => {
    expect(chooseApps([...apps, { name: 'web', script: 'b.js' }], ['$(id)'])).toHaveLength(1);
  });
});

describe('the config for PM2', () => {
  const options = { workDir: '/srv/current/api', deployId: 'deploy-1', pm2Env: null };

  test('has absolute directories, the id, and the rest as it was', () => {
    const app = { name: 'web', script: 'server.js', cwd: '../web', env: { A: 1 }, env_production: { B: 2 } };
    expect(deployConfig([app, { script: 'job.js', interpreter: './bin/ts' }], options)).toEqual([
      { ...app, cwd: '/srv/current/web', env: { A: 1, PM2_SSH_DEPLOY_ID: 'deploy-1' } },
      {
        name: 'job',
        script: 'job.js',
        cwd: '/srv/current/api',
        interpreter: '/srv/current/api/bin/ts',
        env: { PM2_SSH_DEPLOY_ID: 'deploy-1' },
      },
    ]);
  });

  test('an --env that no app knows is refused, with those that there are', () => {
    const apps = [
      { name: 'a', script: 'a', env_staging: {} },
      { name: 'b', script: 'b', env_production: {} },
    ];
    expect(() => deployConfig(apps, { ...options, pm2Env: 'prod' })).toThrow(
      'No chosen app has an `env_prod` in the ecosystem file: there is "staging", "production".',
    );
    expect(deployConfig(apps, { ...options, pm2Env: 'staging' })).toHaveLength(2);
    const failure = (() => {
      try {
        return deployConfig([{ name: 'a', script: 'a' }], { ...options, pm2Env: 'x' });
      } catch (error) {
        return error as DeployFailure;
      }
    })();
    expect(failure).toHaveProperty('message', expect.stringContaining('there is no `env_…` at all'));
  });

  test('a file that was evaluated elsewhere is moved', () => {
    const app = {
      name: 'web',
      cwd: '/srv/.app/staging',
      args: ['--root=/srv/.app/staging/public', '/srv/.app/staging-2'],
      env: { ROOT: '/real/.app/staging/x:/srv/.app/staging', N: 1, NONE: null },
    };
    expect(moveApps([app], ['/srv/.app/staging', '/real/.app/staging'], '/srv/$&app')).toEqual([
      {
        name: 'web',
        cwd: '/srv/$&app',
        args: ['--root=/srv/$&app/public', '/srv/.app/staging-2'],
        env: { ROOT: '/srv/$&app/x:/srv/$&app', N: 1, NONE: null },
      },
    ]);
  });
});

const SETTINGS: AppConfig[] = [
  {
    name: 'paths',
    script: './src/app.js',
    args: '--a "b c" d',
    error_file: 'logs/err.log',
    out_file: './logs/out.log',
    env: { A: 1 },
    env_production: { A: 2 },
    append_env_to_name: true,
  },
  {
    name: 'sub',
    cwd: 'src',
    script: 'app.js',
    args: ['x y', 'z'],
    exec_mode: 'cluster_mode',
    node_args: '--no-warnings',
  },
  { script: 'src/tool', interpreter: './bin/run', max_memory_restart: '100M' },
  { name: 'command', script: 'sleep', args: '1000', time: true },
];

const COUNTS: AppConfig[] = [
  { name: 'none', script: 'src/app.js' },
  { name: 'one', script: 'src/app.js', instances: 1 },
  { name: 'two as text', script: 'src/app.js', instances: '2' },
  { name: 'fraction', script: 'src/app.js', instances: 2.5 },
  { name: 'max', script: 'src/app.js', instances: 'max' },
  { name: 'nonsense', script: 'src/app.js', instances: 'abc', exec_mode: 'fork' },
  { name: 'zero', script: 'src/app.js', instances: 0, exec_mode: 'fork' },
  { name: 'all but one', script: 'src/app.js', instances: -1 },
  { name: 'all but more', script: 'src/app.js', instances: -200 },
  { name: 'null', script: 'src/app.js', instances: null },
  { name: 'esm', script: 'src/app.mjs', instances: 1 },
  { name: 'shell', script: 'src/tool.sh', instances: 1 },
  { name: 'line', script: 'sleep 1000 && true', instances: 1 },
];

test.each(ALL_RUNTIMES)(
  "$name: comes out as with the user's own file, in the numbers that were foreseen",
  async (runtime) => {
    await using pm2 = await startPm2(runtime);
    const work = join(pm2.home, 'work');
    mkdirSync(join(work, 'src'), { recursive: true });
    mkdirSync(join(work, 'bin'));
    writeFileSync(join(work, 'src/app.js'), 'setInterval(() => {}, 1e6)');
    writeFileSync(join(work, 'src/app.mjs'), 'setInterval(() => {}, 1e6)');
    for (const tool of ['src/tool', 'src/tool.sh']) writeFileSync(join(work, tool), '#!/bin/sh\nsleep 1000');
    writeFileSync(join(work, 'bin/run'), '#!/bin/sh\nexec sh "$@"', { mode: 0o755 });
    writeFileSync(join(work, 'ecosystem.json'), JSON.stringify({ apps: SETTINGS }));
    await pm2.run(['startOrReload', 'ecosystem.json', '--env', 'production'], { cwd: work });
    const rpc = await openRpc(pm2.home, 5_000);
    if (!rpc) throw new Error('no daemon');
    const own = await comparable(rpc);
    expect(own.map(({ name }) => name).sort()).toEqual(['command', 'paths-production', 'sub', 'tool']);
    await pm2.run(['delete', 'all']);

    const options = { workDir: work, deployId: 'deploy-1', pm2Env: 'production' };
    const config = deployConfig(chooseApps(SETTINGS, []), options);
    const counted = deployConfig(COUNTS, { ...options, pm2Env: null });
    writeFileSync(join(pm2.home, 'ours.json'), JSON.stringify({ apps: [...config, ...counted] }));
    await pm2.run(['startOrReload', 'ours.json', '--env', 'production']);
    const ours = await comparable(rpc);
    expect(ours.filter(({ name }) => !COUNTS.some((app) => app.name === name))).toEqual(
      own.map((app) => ({
        ...app,
        deployId: 'deploy-1',
        // PM2 looks for an interpreter from where it is called, then from the app's directory: this names the same file.
        interpreter: app.interpreter.replace(/^\.\//, `${work}/`),
        env: { ...app.env, PWD: app.name === 'sub' ? join(work, 'src') : work },
      })),
    );
    expect(config.map(({ name }) => name)).toEqual(['paths-production', 'sub', 'tool', 'command']);

    for (const app of counted) {
      const same = ours.filter(({ name }) => name === app.name);
      expect([app.name, { count: same.length, mode: same[0]?.execMode }]).toEqual([
        app.name,
        expectedInstances(app),
      ]);
    }
    rpc.close();
  },
);

/** What a config decides of each instance; file names without the id that PM2 puts in. */
async function comparable(
  rpc: Rpc,
): Promise<
  Omit<Instance, 'pmId' | 'pid' | 'pmUptime' | 'createdAt' | 'restartTime' | 'version' | 'status'>[]
> {
  const instances = await listInstances(rpc, 5_000);
  return instances
    .map(({ pmId, pid, pmUptime, createdAt, restartTime, version, status, ...rest }) => ({
      ...rest,
      errLogPath: rest.errLogPath?.replace(`-${pmId}.`, '.') ?? null,
      outLogPath: rest.outLogPath?.replace(`-${pmId}.`, '.') ?? null,
      pidPath: rest.pidPath?.replace(`-${pmId}.`, '.') ?? null,
    }))
    .sort((a, b) => a.name.localeCompare(b.name));
}
