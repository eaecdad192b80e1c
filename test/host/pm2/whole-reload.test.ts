import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { type AppConfig, deployConfig } from '../../../src/host/pm2/app-config.ts';
import { startOrReload } from '../../../src/host/pm2/cli.ts';
import { openRpc } from '../../../src/host/pm2/rpc.ts';
import { pm2Environment } from '../../../src/host/system/environment.ts';
import { RUNTIMES, startPm2 } from '../../rig/pm2.ts';

/** Every setting that PM2's own reload leaves as it was, and some that it applies. */
const RICH: AppConfig = {
  script: 'old/app.js',
  cwd: 'old',
  args: '--old "two words"',
  node_args: '--no-warnings',
  error_file: 'logs/err.log',
  out_file: 'logs/out.log',
  log_file: 'logs/all.log',
  pid_file: 'logs/app.pid',
  log_date_format: 'HH:mm',
  disable_logs: false,
  max_memory_restart: '300M',
  min_uptime: '5s',
  max_restarts: 7,
  restart_delay: 100,
  exp_backoff_restart_delay: 100,
  stop_exit_codes: [3],
  listen_timeout: 2_000,
  kill_timeout: 1_000,
  shutdown_with_message: true,
  wait_ready: true,
  source_map_support: true,
  filter_env: ['NONE'],
  treekill: false,
  vizion: false,
  autorestart: false,
  pmx: false,
  kill_retry_time: 50,
  namespace: 'old',
  env: { KEPT: 'old', REMOVED: 'old', OBJECT: { a: 1 } },
};
const PLAIN: AppConfig = { script: 'new/main.js', env: { KEPT: 'new' } };

/** Given anew by every start, or of one process alone. */
const NOT_COMPARED =
  /^(pm_id|created_at|pm_uptime|unique_id|restart_time|unstable_restarts|axm_\w+|version(ing)?|node_version|vizion_running|prev_restart_delay|filter_env|exit_code|PM2_INTERACTOR_PROCESSING|_tree_pids)$/;

const MODES = ['cluster', 'fork'] as const;

test.each(RUNTIMES)('$name: after a reload an app is as a fresh start would make it', async (runtime) => {
  await using pm2 = await startPm2(runtime);
  const work = join(pm2.home, 'work');
  const dir = join(pm2.home, 'private');
  for (const name of ['old/old', 'new']) mkdirSync(join(work, name), { recursive: true });
  mkdirSync(dir, { mode: 0o700 });
  const program = `if (process.send) process.send('ready'); setInterval(() => {}, 1e6);`;
  for (const file of ['old/old/app.js', 'new/main.js']) writeFileSync(join(work, file), program);
  const run = async (byName: Record<string, AppConfig>): Promise<void> => {
    const apps = Object.entries(byName).flatMap(([name, settings]) =>
      MODES.map((mode) => ({
        listen_timeout: 300,
        instances: mode === 'fork' ? 1 : 2,
        ...settings,
        exec_mode: mode,
        name: `${mode}-${name}`,
      })),
    );
    const result = await startOrReload({
      pm2: { bin: pm2.bin, root: runtime.pm2Root, version: runtime.pm2Version },
      node: runtime.node,
      apps: deployConfig(apps, { workDir: work, deployId: 'deploy-1', pm2Env: null }),
      removed: Object.fromEntries(apps.map(({ name }) => [name, ['REMOVED', 'OBJECT']])),
      pm2Env: null,
      running: [],
      pm2Home: pm2.home,
      env: pm2Environment(pm2.env),
      dir,
      cwd: pm2.home,
    }).done;
    expect(result).toMatchObject({ code: 0, stopped: null });
  };

  await run({ 'to-plain': RICH, 'to-rich': PLAIN });
  await run({ 'to-plain': PLAIN, 'to-rich': RICH });
  await run({ 'at-plain': PLAIN, 'at-rich': RICH });
  const fields = await fieldsOf(pm2.home);
  for (const mode of MODES) {
    expect(fields(`${mode}-to-plain`)).toEqual(fields(`${mode}-at-plain`));
    expect(fields(`${mode}-to-plain`)[0]).not.toHaveProperty('REMOVED');
  }
  expect(fields('cluster-to-rich')).toEqual(fields('cluster-at-rich'));
  expect(fields('fork-to-rich')).toEqual(fields('fork-at-rich'));
});

/** What PM2 keeps of the instances of an app, with the app's name and their own numbers taken out. */
async function fieldsOf(pm2Home: string): Promise<(name: string) => unknown[]> {
  const rpc = await openRpc(pm2Home, 5_000);
  if (rpc === null) throw new Error('no daemon');
  const list = (await rpc.call('getMonitorData', [{}], 5_000)) as { name: string; pm2_env: Fields }[];
  rpc.close();
  return (name) =>
    list
      .filter((one) => one.name === name)
      // PM2 spreads `env` over the fields; what a process gets are these.
      .map(({ pm2_env: { env: _, ...fields } }) => plain(fields, name));
}

type Fields = Record<string, unknown>;

function plain(fields: Fields, name: string): Fields {
  const id = /-\d+(?=\.(log|pid)$)/;
  return Object.fromEntries(
    Object.entries(fields)
      .filter(([key]) => !NOT_COMPARED.test(key))
      .map(([key, value]) => [
        key === name ? 'NAME' : key,
        typeof value === 'string' ? value.replace(name, 'NAME').replace(id, '-ID') : value,
      ]),
  );
}
