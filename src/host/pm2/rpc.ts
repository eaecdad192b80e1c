import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { DeployFailure } from '../system/failure.ts';
import { encodeMessage, MessageReader } from './amp.ts';

/** A kept connection to PM2's daemon. It starts nothing: neither a daemon nor PM2's CLI. */
export interface Rpc {
  /** The PM2 version of the daemon that runs, which may be another than that of the CLI. */
  readonly version: string;
  /**
   * Calls one of the daemon's methods and gives the first value of its answer.
   * Throws a `DeployFailure` where the daemon says no, is silent for `timeLimit` milliseconds, or goes away.
   */
  call(method: string, args: readonly unknown[], timeLimit: number): Promise<unknown>;
  close(): void;
}

interface Waiting {
  resolve(value: unknown): void;
  reject(error: DeployFailure): void;
  timer: NodeJS.Timeout;
}

/**
 * Connects to the daemon of `pm2Home` (an absolute path) and asks its version. `timeLimit` is in milliseconds.
 * Null where no daemon runs. Throws a `DeployFailure` where one runs that does not answer or that is not ours to use.
 */
export async function openRpc(pm2Home: string, timeLimit: number): Promise<Rpc | null> {
  const socket = await dial(join(pm2Home, 'rpc.sock'), pm2Home, timeLimit);
  if (!socket) return null;
  const rpc = converse(socket, pm2Home);
  try {
    const version = await rpc.call('getVersion', [{}], timeLimit);
    return { ...rpc, version: String(version) };
  } catch (error) {
    rpc.close();
    throw error;
  }
}

function dial(path: string, pm2Home: string, timeLimit: number): Promise<Socket | null> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    const timer = setTimeout(() => {
      socket.destroy();
      reject(silent(pm2Home, timeLimit));
    }, timeLimit);
    socket.once('connect', () => {
      clearTimeout(timer);
      socket.removeAllListeners('error');
      resolve(socket);
    });
    socket.once('error', (error: NodeJS.ErrnoException) => {
      clearTimeout(timer);
      if (error.code === 'ENOENT' || error.code === 'ECONNREFUSED' || error.code === 'ENOTDIR') resolve(null);
      // The queue of connections is full, since nobody has taken one for long.
      else if (error.code === 'EAGAIN') reject(silent(pm2Home, timeLimit));
      else {
        reject(
          new DeployFailure(
            `The PM2 daemon of ${pm2Home} cannot be reached: ${error.code ?? error.message}.`,
            error.code === 'EACCES'
              ? { remedy: 'Deploy as the user that runs PM2 on this host.', cause: error }
              : { cause: error },
          ),
        );
      }
    });
  });
}

function converse(socket: Socket, pm2Home: string): Omit<Rpc, 'version'> {
  const waiting = new Map<string, Waiting>();
  let next = 0;
  let ended: DeployFailure | null = null;

  const end = (failure: DeployFailure): void => {
    ended ??= failure;
    for (const { reject, timer } of waiting.values()) {
      clearTimeout(timer);
      reject(ended);
    }
    waiting.clear();
    socket.destroy();
  };
  const reader = new MessageReader((message) => {
    const id = message[message.length - 1];
    const call = typeof id === 'string' ? waiting.get(id) : undefined;
    // An answer that comes after its time limit has nobody left to hear it.
    if (typeof id !== 'string' || !call) return;
    waiting.delete(id);
    clearTimeout(call.timer);
    const answer = message[0] as { args?: unknown[]; error?: unknown } | null;
    if (answer && typeof answer === 'object' && 'error' in answer) {
      call.reject(new DeployFailure(`The PM2 daemon of ${pm2Home} refused: ${describe(answer.error)}`));
    } else call.resolve(answer?.args?.[0]);
  });
  socket.on('data', (chunk: Buffer) => {
    try {
      reader.write(chunk);
    } catch (error) {
      end(
        new DeployFailure(`The PM2 daemon of ${pm2Home} sent something that cannot be understood.`, {
          cause: error,
        }),
      );
    }
  });
  socket.on('error', () => {});
  socket.on('close', () =>
    end(
      new DeployFailure(`The PM2 daemon of ${pm2Home} is gone: it was killed, or somebody restarted it.`, {
        remedy:
          'Look at pm2.log there. Make sure that PM2 runs your apps (pm2 resurrect). Then deploy again.',
      }),
    ),
  );

  return {
    call(method, args, timeLimit) {
      if (ended) return Promise.reject(ended);
      return new Promise((resolve, reject) => {
        const id = `pm2-ssh-deploy:${next++}`;
        const timer = setTimeout(() => {
          waiting.delete(id);
          reject(silent(pm2Home, timeLimit));
        }, timeLimit);
        waiting.set(id, { resolve, reject, timer });
        socket.write(encodeMessage([{ type: 'call', method, args }, id]));
      });
    },
    close() {
      end(new DeployFailure(`The connection to the PM2 daemon of ${pm2Home} is closed.`));
    },
  };
}

function silent(pm2Home: string, timeLimit: number): DeployFailure {
  return new DeployFailure(
    `The PM2 daemon of ${pm2Home} runs, but has not answered for ${timeLimit / 1000} s.`,
    {
      remedy:
        'It hangs, or is stopped (kill -CONT), or the host is overloaded. Look at it with `pm2 ls` there.',
    },
  );
}

/** PM2 sends an error as text, or as an object that may carry an app's whole environment: of that, the message only. */
function describe(error: unknown): string {
  if (typeof error === 'string') return error;
  const message =
    (error as { message?: unknown } | null)?.message ?? (error as { msg?: unknown } | null)?.msg;
  return typeof message === 'string' ? message : 'no reason given';
}
