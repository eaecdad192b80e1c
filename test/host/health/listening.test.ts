import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { accepts, listenersIn, listeningPorts } from '../../../src/host/health/listening.ts';
import { freePort } from '../../rig/free-port.ts';

async function listen(host: string): Promise<{ server: Server; port: number }> {
  // Of port 0 the kernel makes the same one for two addresses at times.
  const port = await freePort();
  const server = createServer((socket) => socket.destroy()).listen(port, host);
  await once(server, 'listening');
  return { server, port };
}

test('finds the ports that a process listens on, by address, and connects to them', async () => {
  const places = ['127.0.0.1', '0.0.0.0', '::1', '::', '::ffff:127.0.0.2'];
  const servers = await Promise.all(places.map(listen));
  try {
    const found = listeningPorts([process.pid, process.pid]);
    for (const [at, { port }] of servers.entries()) {
      const address = places[at]?.replace('::ffff:', '') ?? '';
      expect(found.filter((one) => one.port === port)).toEqual([{ port, address }]);
      expect(await accepts(port, address, 1_000)).toBe(true);
    }
  } finally {
    for (const { server } of servers) server.close();
  }
  await Promise.all(servers.map(async ({ server }) => server.listening && once(server, 'close')));
  expect(await accepts(servers[0]?.port ?? 0, '127.0.0.1', 1_000)).toBe(false);
  expect(listeningPorts([process.pid]).filter(({ port }) => port === servers[1]?.port)).toEqual([]);
});

test('a port of another process is not taken for its own', async () => {
  const program = 'const s = require("net").createServer().listen(0, () => console.log(s.address().port))';
  const child = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
  try {
    const [chunk] = (await once(child.stdout, 'data')) as [Buffer];
    const port = Number(chunk.toString());
    expect(listeningPorts([child.pid ?? 0]).map((one) => one.port)).toEqual([port]);
    expect(listeningPorts([process.pid]).map((one) => one.port)).not.toContain(port);
  } finally {
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
  expect(listeningPorts([child.pid ?? 0, 2 ** 30])).toEqual([]);
});

test('what does not answer is not waited for beyond the limit', async () => {
  const started = Date.now();
  expect(await accepts(9, '192.0.2.1', 200)).toBe(false);
  expect(Date.now() - started).toBeLessThan(2_000);
});

test('of a busy server only the top of the table is read, where the kernel has what listens', () => {
  const directory = mkdtempSync(join(tmpdir(), 'tables-'));
  const file = join(directory, 'tcp');
  const row = (at: number, port: string, state: string): string =>
    `${String(at).padStart(4)}: 0100007F:${port} 00000000:0000 ${state} 00000000:00000000 00:00000000 00000000  1000        0 ${7_000 + at} 1 0 100 0 0 10 0`;
  const listening = Array.from({ length: 300 }, (_, at) => row(at, (3_000 + at).toString(16), '0A'));
  const halfOpen = row(300, '0BB8', '03');
  const connected = row(302, '0BB8', '01');
  // No kernel has one below a connection: it shows how far the table was read.
  const below = row(303, '1F90', '0A');
  const rows = ['  sl  local_address rem_address   st', ...listening, halfOpen, row(301, '0050', '0A')];
  writeFileSync(file, [...rows, connected, below, ''].join('\n'));
  try {
    const ports = listenersIn(file).map(([, { port }]) => port);
    expect(ports).toEqual([...listening.map((_, at) => 3_000 + at), 80]);
    expect(listenersIn(join(directory, 'none'))).toEqual([]);
  } finally {
    rmSync(directory, { recursive: true });
  }
});
