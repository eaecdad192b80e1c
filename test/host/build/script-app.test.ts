import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { scriptApp } from '../../../src/host/build/script-app.ts';
import { deployConfig } from '../../../src/host/pm2/app-config.ts';
import { type Instance, listInstances } from '../../../src/host/pm2/list.ts';
import { openRpc } from '../../../src/host/pm2/rpc.ts';
import { ALL_RUNTIMES, type PrivatePm2, startPm2 } from '../../rig/pm2.ts';

test('a first start is what PM2 can reload, where Node runs it', () => {
  expect(scriptApp('web', 'dist/server.js', '/srv/shop', [])).toEqual({
    name: 'web',
    script: '/srv/shop/dist/server.js',
    exec_mode: 'cluster',
    instances: 1,
    listen_timeout: 10_000,
    kill_timeout: 5_000,
  });
  for (const script of ['run.py', 'bin/start', 'index.ts']) {
    expect(scriptApp('web', script, '/srv/shop', [])).toEqual({ name: 'web', script: `/srv/shop/${script}` });
  }
});

test.each(ALL_RUNTIMES)(
  '$name: what runs keeps its settings, and its neighbours are left alone',
  async (runtime) => {
    await using pm2 = await startPm2(runtime);
    const work = join(pm2.home, 'work');
    mkdirSync(join(work, 'sub'), { recursive: true });
    // PM2 waits until it listens.
    writeFileSync(join(work, 'sub/app.js'), "require('net').createServer().listen(0)");
    const env = { ...pm2.env, OF_THE_SHELL: 'yes' };
    const start = (...args: string[]) => pm2.run(['start', 'sub/app.js', ...args], { cwd: work, env });
    await start(
      '--name',
      'my app',
      '-i',
      '2',
      '--namespace',
      'shop',
      '--kill-timeout',
      '4000',
      '--',
      '--a',
      'b c',
    );
    await start('--name', 'other', '--node-args=--no-warnings');
    const before = await instancesOf(pm2);

    const apps = ['my app', 'other'].map((name) => scriptApp(name, 'sub/app.js', work, before));
    expect(apps[0]).toMatchObject({
      cwd: work,
      exec_mode: 'cluster',
      instances: 2,
      namespace: 'shop',
      kill_timeout: 4000,
      args: ['--a', 'b c'],
      env: { OF_THE_SHELL: 'yes' },
    });
    expect(apps[1]).toMatchObject({
      cwd: work,
      exec_mode: 'fork',
      instances: 1,
      node_args: ['--no-warnings'],
    });

    const config = deployConfig([apps[0] ?? {}], { workDir: work, deployId: 'deploy-1', pm2Env: null });
    writeFileSync(join(pm2.home, 'ours.json'), JSON.stringify({ apps: config }));
    await pm2.run(['startOrReload', 'ours.json']);
    const after = await instancesOf(pm2);
    expect(after.map(settled)).toEqual(
      before.map((one) => (one.name === 'my app' ? { ...settled(one), deployId: 'deploy-1' } : settled(one))),
    );
    const pids = (all: Instance[], name: string) =>
      all.filter((one) => one.name === name).map(({ pid }) => pid);
    expect(pids(after, 'other')).toEqual(pids(before, 'other'));
    expect(pids(after, 'my app')).not.toEqual(pids(before, 'my app'));
  },
);

const NODE = expect.stringMatching(/node$/);

test.each<[string, string[], string, object]>([
  ['npm', ['npm', '--', 'run', 'start'], 'server.js', { args: [] }],
  ['a command line', ['npm run start'], 'server.js', { args: [] }],
  ['a shell script', ['run.sh', '--', '--fast'], 'server.js', { args: ['--fast'] }],
  ['a shell script', ['run.sh'], 'other.sh', { args: [], interpreter: 'bash' }],
  ['another interpreter', ['main.js', '--interpreter', 'bash', '--node-args=-x'], 'main.ts', { args: [] }],
  [
    'Node',
    ['main.js', '--node-args=--no-warnings', '--', 'a'],
    'main.cjs',
    { args: ['a'], interpreter: NODE, node_args: ['--no-warnings'] },
  ],
])('%s ran the app before: %j -> %s', async (_, command, script, kept) => {
  await using pm2 = await startPm2();
  const work = join(pm2.home, 'work');
  mkdirSync(work);
  writeFileSync(join(work, 'package.json'), '{ "scripts": { "start": "sleep 1000" } }');
  writeFileSync(join(work, 'run.sh'), 'sleep 1000');
  writeFileSync(join(work, 'main.js'), '1; sleep = 1000');
  const [program = '', ...rest] = command;
  await pm2.run(['start', program, '--name', 'web', ...rest], { cwd: work, env: { ...pm2.env, A: '1' } });
  const app = scriptApp('web', script, work, await instancesOf(pm2));
  const { interpreter, node_args, args } = app;
  expect({ interpreter, node_args, args }).toEqual(
    'interpreter' in kept
      ? { node_args: [], ...kept }
      : { interpreter: undefined, node_args: undefined, ...kept },
  );
  expect(app).toMatchObject({ name: 'web', script: join(work, script), env: { A: '1' } });
});

async function instancesOf(pm2: PrivatePm2): Promise<Instance[]> {
  const rpc = await openRpc(pm2.home, 5_000);
  if (!rpc) throw new Error('no daemon');
  try {
    return (await listInstances(rpc, 5_000)).sort((a, b) => a.pmId - b.pmId);
  } finally {
    rpc.close();
  }
}

/** All but what every reload changes. */
function settled({ pid, pmUptime, createdAt, restartTime, status, ...rest }: Instance): object {
  return { ...rest, instances: 0 };
}
