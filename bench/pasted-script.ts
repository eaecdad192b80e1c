import { spawn } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Host } from '../test/rig/host.ts';

/** OpenSSH's own client, with a key file, as a job that runs a script on a server. */
export interface Client {
  /** Runs a script there, ends where its first line fails, and gives the milliseconds that it took. */
  run(script: string): Promise<number>;
  remove(): void;
}

export function openClient(host: Host): Client {
  const key = path.join(host.directory, 'client-key');
  writeFileSync(key, host.ssh.key, { mode: 0o600 });
  const options = ['BatchMode=yes', 'IdentitiesOnly=yes', 'StrictHostKeyChecking=no', 'LogLevel=ERROR'];
  const known = ['UserKnownHostsFile=/dev/null', 'GlobalKnownHostsFile=/dev/null'];
  const args = [...options, ...known].flatMap((option) => ['-o', option]);
  const login = `${host.ssh.username}@${host.ssh.host}`;
  return {
    run: (script) =>
      new Promise((resolve, reject) => {
        const started = performance.now();
        const child = spawn(
          'ssh',
          ['-F', '/dev/null', '-i', key, '-p', String(host.ssh.port), ...args, login, `set -e; ${script}`],
          {
            stdio: ['ignore', 'pipe', 'pipe'],
          },
        );
        let printed = '';
        for (const stream of [child.stdout, child.stderr])
          stream.on('data', (chunk: Buffer) => {
            printed += chunk.toString();
          });
        child.once('error', reject);
        child.once('close', (code) => {
          if (code === 0) resolve(performance.now() - started);
          else reject(new Error(`ssh ended with ${code}:\n${printed}`));
        });
      }),
    remove: () => rmSync(key, { force: true }),
  };
}
