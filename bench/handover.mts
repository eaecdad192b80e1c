// What fails while an app is replaced again and again under new connections: in fork mode by handovers, in cluster mode by
// PM2's reloads of an app that drains.
// Usage: node bench/handover.mts [replacements] [clients that open a new connection for each request] [--wrk] [--busy n]
// With --wrk the clients are those of wrk, which pause for nothing: thousands of new connections a second.
// With --busy so many programs beside them want a processor each.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { marksOf } from '../src/host/handover/app-sockets.ts';
import { installPreload } from '../src/host/handover/preload-file.ts';
import { whileQueuesMigrate } from '../src/host/handover/queue-migration.ts';
import { preloadArgument } from '../src/host/pm2/preload-args.ts';
import { startWrk } from '../test/load/wrk.ts';
import { freePort } from '../test/rig/free-port.ts';
import { startLoad } from '../test/rig/load.ts';
import { NEWEST, startPm2 } from '../test/rig/pm2.ts';
import { poll } from '../test/rig/poll.ts';

const { values, positionals } = parseArgs({
  options: { wrk: { type: 'boolean', default: false }, busy: { type: 'string', default: '0' } },
  allowPositionals: true,
});
const times = Number(positionals[0] ?? 50);
const fresh = Number(positionals[1] ?? 6);
/** Milliseconds that both instances take connections. */
const TOGETHER = 100;

const home = mkdtempSync(path.join(tmpdir(), 'handover-'));
const library = installPreload(home);
const port = await freePort();
const app = path.join(home, 'app.cjs');
writeFileSync(
  app,
  `require('http').createServer((_, response) => response.end('x')).listen(${port}, () => console.log('listens'));`,
);
const busy = Array.from({ length: Number(values.busy) }, () => spawn(NEWEST.node, ['--eval', 'for (;;);']));
await inForkMode();
await inClusterMode();
for (const one of busy) one.kill('SIGKILL');
rmSync(home, { recursive: true });

async function inForkMode(): Promise<void> {
  let live = await boot('0');
  await underLoad('handovers in fork mode', async (at) => {
    const next = await boot(String(at));
    await sleep(TOGETHER);
    const old = live;
    await whileQueuesMigrate(async () => {
      old.kill('SIGURG');
      while (marksOf(old.pid ?? 0) > 0) await sleep(20);
      old.kill('SIGKILL');
    });
    live = next;
  });
  live.kill('SIGKILL');
}

async function inClusterMode(): Promise<void> {
  await using pm2 = await startPm2(NEWEST);
  const node_args = [preloadArgument(library, { share: false, drain: true })];
  const config = { apps: [{ name: 'app', script: app, exec_mode: 'cluster', instances: 2, node_args }] };
  const file = path.join(home, 'ecosystem.config.cjs');
  writeFileSync(file, `module.exports = ${JSON.stringify(config)};`);
  const run = async (...args: string[]): Promise<void> => {
    const { code, tail } = await pm2.run(args);
    if (code !== 0) throw new Error(`pm2 ${args[0]} ended with ${code}: ${tail.join(' ')}`);
  };
  await run('start', file);
  await poll('the app answers', 10_000, () => fetch(`http://127.0.0.1:${port}/`).catch(() => null));
  await underLoad('reloads in cluster mode', () => run('reload', 'app'));
}

async function underLoad(what: string, replace: (at: number) => Promise<void>): Promise<void> {
  const started = performance.now();
  const url = `http://127.0.0.1:${port}/`;
  const load = values.wrk ? startWrk(url, fresh) : startLoad({ url, connections: 0, fresh, pause: 3 });
  for (let at = 1; at <= times; at++) await replace(at);
  const { sent, failed, failures } = await load.stop();
  const seconds = (performance.now() - started) / 1000;
  const each = Math.round((seconds / times) * 1000);
  console.log(`${times} ${what}, ${each} ms each, ${Math.round(sent / seconds)} requests a second`);
  console.log(`${failed} of ${sent} requests failed ${JSON.stringify(failures)}`);
}

/** Starts an instance as PM2 does in fork mode, and waits until it listens. */
async function boot(deploy: string): Promise<ChildProcess> {
  const variables = { pm_id: deploy, name: 'app', PM2_HOME: home, PM2_SSH_DEPLOY_ID: deploy };
  const preload = preloadArgument(library, { share: true, drain: true });
  const child = spawn(NEWEST.node, [preload, app], { env: variables, stdio: ['ignore', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  return child;
}
