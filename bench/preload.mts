// What an app costs more that is started with our preload: its boot, its memory and its answers, beside the same app without.
// Usage: node bench/preload.mts [times that each of them is started]
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { installPreload } from '../src/host/handover/preload-file.ts';
import { preloadArgument } from '../src/host/pm2/preload-args.ts';
import { freePort } from '../test/rig/free-port.ts';
import { NEWEST } from '../test/rig/pm2.ts';
import { median } from './median.ts';

const times = Number(process.argv[2] ?? 15);
/** Requests one after the other, over one connection and over one each. */
const KEPT = 4_000;
const FRESH = 500;

interface Cost {
  bootMs: number;
  memoryKib: number;
  /** Of one request, in microseconds. */
  keptUs: number;
  freshUs: number;
}

const home = mkdtempSync(path.join(tmpdir(), 'preload-'));
try {
  const argument = preloadArgument(installPreload(home), { share: true, drain: true });
  const port = await freePort();
  const app = path.join(home, 'app.cjs');
  writeFileSync(
    app,
    `require('http').createServer((_, response) => response.end('x')).listen(${port}, () => console.log('listens'));`,
  );
  const without: Cost[] = [];
  const withIt: Cost[] = [];
  for (let at = 0; at < times; at++) {
    without.push(await costOf([app], port));
    withIt.push(await costOf([argument, app], port));
  }
  line('from the start to the listen, ms', (one) => one.bootMs);
  line('memory, MiB', (one) => one.memoryKib / 1024);
  line('a request over a kept connection, µs', (one) => one.keptUs);
  line('a request over a new connection, µs', (one) => one.freshUs);

  function line(what: string, of: (cost: Cost) => number): void {
    const [plain, preloaded] = [without, withIt].map((all) => median(all.map(of)));
    console.log(`| ${what} | ${plain?.toFixed(1)} | ${preloaded?.toFixed(1)} |`);
  }
} finally {
  rmSync(home, { recursive: true });
}

async function costOf(args: readonly string[], port: number): Promise<Cost> {
  const env = { pm_id: '0', name: 'app', PM2_HOME: home, PM2_SSH_DEPLOY_ID: '1' };
  const started = performance.now();
  const child = spawn(NEWEST.node, args, { env, stdio: ['ignore', 'pipe', 'inherit'] });
  try {
    await once(child.stdout as NonNullable<ChildProcess['stdout']>, 'data');
    const bootMs = performance.now() - started;
    const keptUs = await microseconds(port, KEPT, new http.Agent({ keepAlive: true, maxSockets: 1 }));
    const freshUs = await microseconds(port, FRESH, new http.Agent({ keepAlive: false }));
    return { bootMs, memoryKib: memoryOf(child.pid ?? 0), keptUs, freshUs };
  } finally {
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
}

async function microseconds(port: number, count: number, agent: http.Agent): Promise<number> {
  const started = performance.now();
  for (let at = 0; at < count; at++) {
    await new Promise<void>((resolve, reject) => {
      http
        .get({ host: '127.0.0.1', port, agent }, (response) => response.resume().once('end', resolve))
        .once('error', reject);
    });
  }
  agent.destroy();
  return ((performance.now() - started) / count) * 1000;
}

function memoryOf(pid: number): number {
  return Number(/^VmRSS:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
}
