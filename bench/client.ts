import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Host } from '../test/rig/host.ts';

/** A job's machine with OpenSSH's own client, which knows a server and its key. Times are in milliseconds. */
export interface Client {
  /** For what the tools of this machine make. */
  directory: string;
  /** The key's file. */
  key: string;
  /** Runs a script on the server, and ends where its first line fails. */
  run(script: string, port?: number): Promise<number>;
  /** Runs a program here, whose `ssh` is the same client. Returns the time; rejects with what it printed if it fails. */
  tool(file: string, args: readonly string[], env?: Record<string, string>): Promise<number>;
  remove(): void;
}

export function openClient({ directory: home, ssh }: Host): Client {
  const directory = mkdtempSync(path.join(home, 'client-'));
  const key = path.join(directory, 'key');
  const known = path.join(directory, 'known_hosts');
  const bin = path.join(directory, 'bin');
  mkdirSync(bin);
  writeFileSync(key, ssh.key, { mode: 0o600 });
  writeFileSync(known, ssh.knownHosts.replace(/^\S+/, 'server'));
  const options = [
    ...['BatchMode=yes', 'IdentitiesOnly=yes', 'LogLevel=ERROR', 'GlobalKnownHostsFile=/dev/null'],
    // The same server at whatever port it is reached.
    ...['HostKeyAlias=server', `UserKnownHostsFile=${known}`, 'StrictHostKeyChecking=yes'],
  ].flatMap((option) => ['-o', option]);
  const client = ['-F', '/dev/null', '-i', key, ...options];
  writeFileSync(path.join(bin, 'ssh'), `#!/bin/sh\nPATH=$REAL_PATH exec ssh ${client.join(' ')} "$@"\n`, {
    mode: 0o755,
  });
  const real = process.env.PATH ?? '';
  const tool: Client['tool'] = (file, args, env = {}) =>
    timed(file, args, {
      cwd: directory,
      env: { ...process.env, REAL_PATH: real, PATH: `${bin}:${real}`, ...env },
    });
  return {
    directory,
    key,
    tool,
    run: (script, port = ssh.port) =>
      tool('ssh', ['-p', String(port), `${ssh.username}@${ssh.host}`, `set -e; ${script}`]),
    remove: () => rmSync(directory, { recursive: true, force: true }),
  };
}

function timed(
  file: string,
  args: readonly string[],
  options: { cwd: string; env: NodeJS.ProcessEnv },
): Promise<number> {
  return new Promise((resolve, reject) => {
    const started = performance.now();
    const child = spawn(file, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
    let printed = '';
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => {
        printed += chunk.toString();
      });
    child.once('error', reject);
    child.once('close', (code) => {
      if (code === 0) resolve(performance.now() - started);
      else reject(new Error(`${file} ended with ${code}:\n${printed}`));
    });
  });
}
