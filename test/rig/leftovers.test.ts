import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { expect, test } from 'vitest';
import { freePort } from './free-port.ts';
import { killAllOf } from './leftovers.ts';
import { poll } from './poll.ts';

/** Listens, and has so much memory that it is still being taken back when its environment can no longer be read. */
const HOLDER = `
  const memory = Buffer.alloc(200e6, 1);
  const server = require('net').createServer();
  server.listen(Number(process.argv[1]), '127.0.0.1', () => require('fs').writeFileSync('up', ''));
`;

test('what a killed process had open is closed when nothing of its home is left', async () => {
  const home = mkdtempSync(path.join(os.tmpdir(), 'h-'));
  try {
    for (let round = 0; round < 5; round += 1) {
      const port = await freePort();
      spawn(process.execPath, ['-e', HOLDER, String(port)], {
        cwd: home,
        env: { HOME: home },
        stdio: 'ignore',
      });
      await poll('it listens', 10_000, () => existsSync(path.join(home, 'up')));
      rmSync(path.join(home, 'up'));
      await killAllOf(home);
      await expect(listens(port)).resolves.toBe(true);
    }
  } finally {
    rmSync(home, { recursive: true });
  }
});

function listens(port: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
