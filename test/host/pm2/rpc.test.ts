import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { daemonPid, daemonStart } from '../../../src/host/pm2/daemon.ts';
import { openRpc } from '../../../src/host/pm2/rpc.ts';
import { DeployFailure } from '../../../src/host/system/failure.ts';
import { isAlive } from '../../../src/host/system/processes.ts';
import { ALL_RUNTIMES, type PrivatePm2, startPm2 } from '../../rig/pm2.ts';

const LIMIT = 5_000;

describe.each(ALL_RUNTIMES)('$name', (runtime) => {
  let pm2: PrivatePm2;
  beforeAll(async () => {
    pm2 = await startPm2(runtime);
  });
  afterAll(() => pm2.stop());

  test('without a daemon there is no connection, and none is started', async () => {
    expect(await openRpc(pm2.home, LIMIT)).toBeNull();
    expect(await openRpc(join(pm2.home, 'no/such/home'), LIMIT)).toBeNull();
    expect(daemonPid(pm2.home)).toBeNull();
    expect(pm2.pids()).toEqual([]);
  });

  test('calls the daemon, over and over, and knows its pid and where it was started from', async () => {
    expect((await pm2.run(['ping'])).code).toBe(0);
    const rpc = await openRpc(pm2.home, LIMIT);
    if (!rpc) throw new Error('no daemon');
    expect(rpc.version).toBe(runtime.pm2Version);
    expect(await daemonStart(rpc, LIMIT)).toEqual({
      script: join(runtime.pm2Root, 'lib/Daemon.js'),
      node: execFileSync(runtime.node, ['-v']).toString().trim(),
    });
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => rpc.call('getMonitorData', [{}], LIMIT)),
    );
    expect(answers).toEqual(Array(20).fill([]));
    // PM2 7's daemon runs df when it starts.
    await expect.poll(() => pm2.pids()).toEqual([daemonPid(pm2.home)]);
    await expect(rpc.call('noSuchMethod', [{}], LIMIT)).rejects.toThrow(/refused.*noSuchMethod/);
    rpc.close();
    await expect(rpc.call('getVersion', [{}], LIMIT)).rejects.toThrow('is closed');
  });

  test('a daemon that hangs is told from one that is dead, and answers again once it goes on', async () => {
    const rpc = await openRpc(pm2.home, LIMIT);
    const daemon = daemonPid(pm2.home);
    if (!rpc || daemon === null) throw new Error('no daemon');
    await stop(daemon);
    const started = Date.now();
    const failure = await rpc.call('getVersion', [{}], 300).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(DeployFailure);
    expect((failure as DeployFailure).message).toBe(
      `The PM2 daemon of ${pm2.home} runs, but has not answered for 0.3 s.`,
    );
    await expect(openRpc(pm2.home, 300)).rejects.toThrow('has not answered');
    expect(Date.now() - started).toBeLessThan(3_000);
    process.kill(daemon, 'SIGCONT');
    expect(await rpc.call('getVersion', [{}], LIMIT)).toBe(runtime.pm2Version);

    await stop(daemon);
    const answer = rpc.call('getVersion', [{}], LIMIT);
    process.kill(daemon, 'SIGKILL');
    await expect(answer).rejects.toThrow('is gone: it was killed');
    await expect(rpc.call('getVersion', [{}], LIMIT)).rejects.toThrow('is gone');
    // Its threads end one by one, and the last one takes the sockets along.
    await expect.poll(() => isAlive(daemon) || tasksOf(daemon).length > 1).toBe(false);
    // Its socket and pid file are still there.
    expect(await openRpc(pm2.home, LIMIT)).toBeNull();
    expect(daemonPid(pm2.home)).toBeNull();
    await expect.poll(() => pm2.pids()).toEqual([]);
  });
});

function tasksOf(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/task`);
  } catch {
    return [];
  }
}

/** A signal takes its time: until it has, the process goes on, and may still answer. */
async function stop(pid: number): Promise<void> {
  process.kill(pid, 'SIGSTOP');
  const state = (task: string): string =>
    readFileSync(`/proc/${pid}/task/${task}/stat`, 'latin1')
      .replace(/^.*\) /s, '')
      .charAt(0);
  await expect.poll(() => tasksOf(pid).every((task) => state(task) === 'T'), { interval: 1 }).toBe(true);
}

test('what is no PM2 daemon gives a clear failure', async () => {
  const home = await mkdtemp(join(tmpdir(), 'pm2-'));
  const server = await new Promise<Server>((resolve) => {
    const made = createServer((socket) => {
      socket.write(Buffer.from([0x11, 0, 0, 0, 3, ...Buffer.from('j:{')]));
      socket.on('error', () => {});
    }).listen(join(home, 'rpc.sock'), () => resolve(made));
  });
  try {
    await expect(openRpc(home, 2_000)).rejects.toThrow('cannot be understood');
  } finally {
    server.close();
    await rm(home, { recursive: true });
  }
});
