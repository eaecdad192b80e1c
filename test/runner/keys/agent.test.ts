import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ConnectError } from '../../../src/runner/connect-error.ts';
import { connect, type Destination } from '../../../src/runner/connection/connect.ts';
import { readPrivateKey } from '../../../src/runner/keys/keys.ts';
import { type SshHost, startSshd } from '../../rig/sshd.ts';
import { keyMaker } from './make-keys.ts';

const directory = mkdtempSync(join(tmpdir(), 'agent-'));
const file = (name: string): string => join(directory, name);
const { ssh } = keyMaker(directory);
const made = {
  ed25519: ssh('ed25519', '-t', 'ed25519', '-N', ''),
  rsa: ssh('rsa', '-t', 'rsa', '-b', '2048', '-N', ''),
  ecdsa: ssh('ecdsa', '-t', 'ecdsa', '-N', ''),
  stranger: ssh('stranger', '-t', 'ed25519', '-N', ''),
  other: ssh('other', '-t', 'rsa', '-b', '2048', '-N', ''),
};
const agents: ChildProcess[] = [];
let sshd: SshHost;

beforeAll(async () => {
  const known = [made.ed25519, made.rsa, made.ecdsa].map((key) => `${key.publicKey}\n`).join('');
  writeFileSync(file('authorized_keys'), known, { mode: 0o600 });
  const config = [`AuthorizedKeysFile ${file('authorized_keys')}`, 'AllowAgentForwarding yes'];
  sshd = await startSshd({ home: directory, config });
});
afterAll(async () => {
  for (const agent of agents) agent.kill();
  await sshd.stop();
  rmSync(directory, { recursive: true, force: true });
});

/** Starts a real ssh-agent with these keys, in this order; the answer is its socket. */
async function startAgent(name: string, keys: string[], ...options: string[]): Promise<string> {
  const socket = file(`${name}.sock`);
  agents.push(spawn('ssh-agent', ['-D', '-a', socket], { stdio: 'ignore' }));
  for (const deadline = Date.now() + 10_000; !existsSync(socket); ) {
    if (Date.now() > deadline) throw new Error('ssh-agent does not start');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  for (const key of keys) {
    execFileSync('ssh-add', ['-q', ...options, file(key)], {
      env: { ...process.env, SSH_AUTH_SOCK: socket },
      stdio: 'ignore',
    });
  }
  return socket;
}

function target(changes: Partial<Destination>): Destination {
  return {
    label: 'host-1',
    host: sshd.host,
    port: sshd.port,
    shownHost: sshd.host,
    username: sshd.username,
    key: null,
    password: null,
    agent: null,
    hostKey: { kind: 'known-hosts', text: sshd.knownHosts },
    timeout: 20_000,
    ...changes,
  };
}

async function errorOf(changes: Partial<Destination>): Promise<ConnectError> {
  try {
    await (await connect(target(changes))).close();
  } catch (error) {
    if (error instanceof ConnectError) return error;
    throw error;
  }
  throw new Error('it connected');
}

/** What a command printed over a connection that the agent logged in. */
async function output(agent: string, command: string): Promise<string> {
  const connection = await connect(target({ agent }));
  const channel = await connection.exec(command);
  let text = '';
  channel.stdout.on('data', (chunk: Buffer) => {
    text += chunk.toString('utf8');
  });
  channel.stderr.resume();
  await channel.ended;
  await connection.close();
  return text;
}

it.each(['ed25519', 'rsa', 'ecdsa'] as const)('an agent logs in with its key: %s', async (type) => {
  const agent = await startAgent(`one-${type}`, [type]);
  expect(await output(agent, 'echo in')).toBe('in\n');
  expect(sshd.log()).toContain(made[type].fingerprint);
});

it('each of its keys is tried, and none of them is forwarded to the host', async () => {
  const agent = await startAgent('several', ['stranger', 'other', 'ecdsa']);
  expect(await output(agent, 'echo "agent:$SSH_AUTH_SOCK"')).toBe('agent:\n');
});

it('all of whose keys are refused: says how many and which', async () => {
  const agent = await startAgent('strangers', ['stranger', 'other']);
  const error = await errorOf({ agent });
  expect(error.message).toBe(
    `host-1 refused to log in '${sshd.username}' with all 2 keys of the ssh-agent: ` +
      `ssh-ed25519 ${made.stranger.fingerprint}, ssh-rsa ${made.other.fingerprint}. It accepts: publickey.`,
  );
  expect(error.remedy).toContain("a line that 'ssh-add -L' prints");
});

it('with more keys than the host asks for says so', async () => {
  const names = Array.from({ length: 8 }, (_, index) => `many-${index}`);
  for (const name of names) ssh(name, '-t', 'ed25519', '-N', '');
  const error = await errorOf({ agent: await startAgent('many', names) });
  expect(error.message).toContain('all 8 keys of the ssh-agent');
  expect(error.remedy).toContain('MaxAuthTries');
});

it('that does not sign is told from a host that refuses', async () => {
  // Nobody is there to be asked.
  const agent = await startAgent('asking', ['ed25519'], '-c');
  const error = await errorOf({ agent });
  expect(error.message).toBe(
    `host-1 takes the key ssh-ed25519 ${made.ed25519.fingerprint}, but the ssh-agent did not sign with it.`,
  );
  expect(error.remedy).toContain('ssh-add -c');
});

it('without keys is told', async () => {
  const agent = await startAgent('empty', []);
  expect((await errorOf({ agent })).message).toContain('has no usable key');
});

it('that is dead, was never there, or is silent: does not answer', async () => {
  const agent = await startAgent('dead', ['ed25519']);
  agents.at(-1)?.kill('SIGKILL');
  const silent = createServer((socket) => socket.resume());
  await new Promise<void>((resolve) => silent.listen(file('silent.sock'), resolve));
  const sockets = [agent, file('nowhere.sock'), file('silent.sock')];
  const errors = await Promise.all(sockets.map((socket) => errorOf({ agent: socket })));
  silent.close();
  expect(errors.map(({ message }) => message)).toEqual(
    sockets.map((socket) => `The ssh-agent at SSH_AUTH_SOCK (${socket}) does not answer.`),
  );
});

it('is not asked where there is a key', async () => {
  const agent = await startAgent('unused', ['ed25519']);
  const key = readPrivateKey(made.stranger.text, null);
  const error = await errorOf({ agent, key });
  expect(error.message).toContain(`with the ssh-ed25519 key ${made.stranger.fingerprint}`);
});

it('is not asked by a host whose key is another', async () => {
  const error = await errorOf({ agent: file('nowhere.sock'), hostKey: { kind: 'none' } });
  expect(error.kind).toBe('host-key');
});
