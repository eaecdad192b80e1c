import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parseList } from '../../../src/host/pm2/list.ts';
import { openRpc, type Rpc } from '../../../src/host/pm2/rpc.ts';
import { baselineConfig } from '../../../src/host/pm2/running-config.ts';
import { ALL_RUNTIMES, startPm2 } from '../../rig/pm2.ts';

const APPS = [
  {
    name: 'full',
    script: 'app.js',
    instances: 2,
    exec_mode: 'cluster',
    namespace: 'shop',
    cwd: '.',
    env: { A: '1', OBJ: { a: 1 }, N: 3, B: false, EMPTY: '', LINES: 'x\ny' },
    env_production: { NODE_ENV: 'production' },
    args: '--a "b c" d',
    node_args: ['--no-warnings'],
    wait_ready: true,
    listen_timeout: 4000,
    kill_timeout: 2000,
    max_memory_restart: '300M',
    max_restarts: 7,
    min_uptime: '5s',
    restart_delay: 100,
    exp_backoff_restart_delay: 100,
    error_file: 'logs/err.log',
    out_file: 'logs/out.log',
    log_file: 'logs/all.log',
    merge_logs: true,
    time: true,
    ignore_watch: ['node_modules'],
    instance_var: 'IDX',
    vizion: false,
    treekill: false,
    kill_retry_time: 50,
    shutdown_with_message: true,
    stop_exit_codes: [0, 3],
    cron_restart: '0 0 * * *',
    pmx: false,
  },
  {
    name: 'fork one',
    script: './app.js',
    watch: ['sub'],
    autorestart: false,
    output: '/dev/null',
    port: 4444,
  },
  { name: 'shell', script: 'sub/run.sh', interpreter: 'bash', args: ['x y', 'z'] },
  { name: 'line', script: 'sleep 1000 && true', error_file: 'NULL' },
];

/** Given anew by every start, or added by whoever calls PM2. */
const NOT_COMPARED =
  /^(pm_id|pm_pid_path|created_at|pm_uptime|unique_id|axm_\w+|status|version(ing)?|node_version|vizion_running|PM2_\w+|filter_env|env_\w+|cwd)$/;

test.each(ALL_RUNTIMES)('$name: a start from the baseline gives what ran', async (runtime) => {
  await using pm2 = await startPm2(runtime);
  const work = join(pm2.home, 'work');
  mkdirSync(join(work, 'sub'), { recursive: true });
  writeFileSync(join(work, 'app.js'), 'process.send?.("ready"); setInterval(() => {}, 1e6);');
  writeFileSync(join(work, 'sub/run.sh'), 'sleep 1000');
  writeFileSync(join(work, 'ecosystem.json'), JSON.stringify({ apps: APPS }));
  const shell = { ...pm2.env, INHERITED: 'from the first start', version: '9' };
  await pm2.run(['startOrReload', 'ecosystem.json', '--env', 'production'], { cwd: work, env: shell });
  const rpc = await openRpc(pm2.home, 5_000);
  if (!rpc) throw new Error('no daemon');

  const before = await comparable(rpc);
  const baseline = baselineConfig(parseList(await rpc.call('getMonitorData', [{}], 5_000)));
  expect(baseline.map(({ name, instances }) => [name, instances])).toEqual([
    ['full', 2],
    ['fork one', 1],
    ['shell', 1],
    ['line', 1],
  ]);
  writeFileSync(join(pm2.home, 'baseline.json'), JSON.stringify({ apps: baseline }));
  await pm2.run(['delete', 'all']);
  await pm2.run(['startOrReload', 'baseline.json'], { env: { ...pm2.env, OF_THE_CALLER: 'a token' } });
  expect(await comparable(rpc)).toEqual(before);

  // What a reload from it restores: all variables that the new version changed.
  const changed = [
    { name: 'full', script: 'app.js', cwd: '.', env: { A: '2', ADDED: '1' }, wait_ready: true },
  ];
  writeFileSync(join(work, 'ecosystem.json'), JSON.stringify({ apps: changed }));
  await pm2.run(['startOrReload', 'ecosystem.json'], { cwd: work });
  const [middle] = parseList(await rpc.call('getMonitorData', [{}], 5_000));
  expect(middle?.env).toMatchObject({ A: '2', ADDED: '1', INHERITED: 'from the first start' });
  await pm2.run(['startOrReload', 'baseline.json']);
  const again = baselineConfig(parseList(await rpc.call('getMonitorData', [{}], 5_000)));
  const { env, ...settings } = again[0] ?? {};
  const { env: oldEnv, ...oldSettings } = baseline[0] ?? {};
  expect(settings).toEqual(oldSettings);
  expect(env).toEqual({ ...(oldEnv as object), ADDED: '1' });
  rpc.close();
});

/** All that PM2 keeps of each process and that a config can say, values as a process sees them. */
async function comparable(rpc: Rpc): Promise<unknown> {
  const list = (await rpc.call('getMonitorData', [{}], 5_000)) as {
    name: string;
    pm2_env: Record<string, unknown>;
  }[];
  const kept = (fields: Record<string, unknown>): Record<string, unknown> =>
    Object.fromEntries(
      Object.entries(fields)
        // No arguments are none, written or not.
        .filter(([key, value]) => !NOT_COMPARED.test(key) && JSON.stringify(value) !== '[]')
        .map(([key, value]) => [key, typeof value === 'object' ? value : String(value)]),
    );
  return list
    .map(({ name, pm2_env }) => ({
      name,
      ...kept({ ...pm2_env, env: kept(pm2_env.env as Record<string, unknown>) }),
    }))
    .sort((a, b) => a.name.localeCompare(b.name));
}
