// What handovers in fork mode cost: an app is replaced again and again under new connections, and what fails is counted.
// Usage: node bench/handover.mts [handovers] [clients that open a new connection for each request]
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { marksOf } from '../src/host/handover/app-sockets.ts';
import { installPreload } from '../src/host/handover/preload-file.ts';
import { preloadArgument } from '../src/host/pm2/preload-args.ts';
import { freePort } from '../test/rig/free-port.ts';
import { startLoad } from '../test/rig/load.ts';
import { NEWEST } from '../test/rig/pm2.ts';

const handovers = Number(process.argv[2] ?? 50);
const fresh = Number(process.argv[3] ?? 6);
/** Milliseconds that both instances take connections. */
const TOGETHER = 100;

const home = mkdtempSync(path.join(tmpdir(), 'handover-'));
const preload = preloadArgument(installPreload(home), { share: true, drain: true });
const port = await freePort();
const app = path.join(home, 'app.cjs');
writeFileSync(
  app,
  `require('http').createServer((_, response) => response.end('x')).listen(${port}, () => console.log('listens'));`,
);

let live = await boot('0');
const started = performance.now();
const load = startLoad({ url: `http://127.0.0.1:${port}/`, connections: 2, fresh, pause: 3 });
for (let at = 1; at <= handovers; at++) {
  const next = await boot(String(at));
  await sleep(TOGETHER);
  live.kill('SIGURG');
  while (marksOf(live.pid ?? 0) > 0) await sleep(20);
  live.kill('SIGKILL');
  live = next;
}
const { sent, failed, failures } = await load.stop();
const rate = Math.round(sent / ((performance.now() - started) / 1000));
console.log(
  `${handovers} handovers, ${rate} requests a second, ${fresh} of ${fresh + 2} clients on new connections`,
);
console.log(`${failed} of ${sent} requests failed ${JSON.stringify(failures)}`);
live.kill('SIGKILL');
rmSync(home, { recursive: true });

/** Starts an instance as PM2 does in fork mode, and waits until it listens. */
async function boot(deploy: string): Promise<ChildProcess> {
  const variables = { pm_id: deploy, name: 'app', PM2_HOME: home, PM2_SSH_DEPLOY_ID: deploy };
  const child = spawn(NEWEST.node, [preload, app], { env: variables, stdio: ['ignore', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  return child;
}
