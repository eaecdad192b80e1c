import { spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { freePort } from './free-port.ts';
import { startSshd } from './sshd.ts';

/** A real nginx in front of servers, which can log in to take themselves out and to come back. */
export interface LoadBalancer extends AsyncDisposable {
  url: string;
  /** Commands for a server to run, which nginx knows by its hostname. */
  drain: string;
  undrain: string;
  /** `<name> out` and `<name> in`, in the order in which nginx was told. */
  moves(): string[];
}

/** Starts nginx, and an sshd for those who tell it who serves, on this address. */
export async function startLoadBalancer(
  address: string,
  servers: readonly { name: string; address: string; port: number }[],
): Promise<LoadBalancer> {
  const directory = mkdtempSync(path.join(tmpdir(), 'nginx-'));
  // nginx may run as another user than the tests.
  chmodSync(directory, 0o755);
  const file = (name: string): string => path.join(directory, name);
  const port = await freePort();
  mkdirSync(file('servers'));
  for (const { name, address, port } of servers)
    writeFileSync(file(`servers/${name}.conf`), `server ${address}:${port};\n`);
  writeFileSync(file('nginx.conf'), configOf(directory, `${address}:${port}`));
  for (const [name, from, to, word] of [
    ['drain', 'conf', 'off', 'out'],
    ['undrain', 'off', 'conf', 'in'],
  ] as const)
    writeFileSync(file(name), scriptOf(directory, from, to, word), { mode: 0o755 });
  const ssh = await startSshd({ home: directory, listen: address });
  writeFileSync(file('key'), ssh.key, { mode: 0o600 });
  writeFileSync(file('known_hosts'), `${ssh.knownHosts}\n`);
  const nginx = spawn('nginx', ['-p', directory, '-c', file('nginx.conf'), '-g', 'daemon off;'], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let problem = '';
  nginx.stderr.on('data', (text: Buffer) => {
    problem += text.toString();
  });
  nginx.on('error', (error) => {
    problem = String(error);
  });
  const stop = async (): Promise<void> => {
    const ended = new Promise((resolve) => nginx.once('exit', resolve));
    // At once, with its workers.
    if (nginx.exitCode === null && nginx.kill('SIGTERM')) await ended;
    await ssh.stop();
    rmSync(directory, { recursive: true, force: true });
  };
  for (let tries = 0; !existsSync(file('pid')) || readFileSync(file('pid'), 'utf8') === ''; tries += 1) {
    if (tries < 3_000 && nginx.exitCode === null && nginx.pid !== undefined) await pause(10);
    else {
      await stop();
      throw new Error(`nginx does not run: ${problem}`);
    }
  }
  const login = `ssh -q -i ${file('key')} -o UserKnownHostsFile=${file('known_hosts')} -p ${ssh.port} ${ssh.username}@${address}`;
  return {
    url: `http://${address}:${port}`,
    drain: `${login} ./drain $(hostname) && sleep 0.3`,
    undrain: `${login} ./undrain $(hostname)`,
    moves: () => (existsSync(file('moves')) ? readFileSync(file('moves'), 'utf8').trim().split('\n') : []),
    [Symbol.asyncDispose]: stop,
  };
}

/** It tries no second server: whatever one of them loses counts as lost. */
function configOf(directory: string, listen: string): string {
  const kept = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  const temporary = kept.map((name) => `${name}_temp_path ${directory}/${name};`).join(' ');
  return `worker_processes 1;
pid ${directory}/pid;
error_log ${directory}/error.log;
events { worker_connections 1024; }
http {
  access_log off;
  ${temporary}
  proxy_next_upstream off;
  upstream shop { include ${directory}/servers/*.conf; }
  server {
    listen ${listen};
    location / { proxy_pass http://shop; }
  }
}
`;
}

function scriptOf(directory: string, from: string, to: string, word: string): string {
  return `#!/bin/sh
set -e
PATH=$PATH:/usr/sbin
mv "servers/$1.${from}" "servers/$1.${to}"
nginx -p ${directory} -c ${directory}/nginx.conf -s reload
echo "$1 ${word}" >>moves
`;
}
