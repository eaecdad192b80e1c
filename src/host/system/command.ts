import { type ChildProcess, spawn } from 'node:child_process';
import { pipeline, Readable } from 'node:stream';
import { LineSplitter } from './line-splitter.ts';

/** How a command ended. `stopped` says that we ended it, and why; then `code` and `signal` tell nothing. */
export interface CommandResult {
  code: number | null;
  signal: string | null;
  stopped: 'time limit' | 'cancelled' | null;
  /** As much of it as `keep` says. */
  stdout: string;
  /** Its last lines, of both streams as they came, oldest first; at most `tailLines`. */
  tail: string[];
  durationMs: number;
}

export interface CommandOptions {
  cwd: string;
  env: NodeJS.ProcessEnv;
  /** Milliseconds; then the whole process group is killed. */
  timeLimit: number;
  /** Called for each line of both streams, without its line end. */
  onLine?: (line: string) => void;
  /** Ends the command and its whole process group. */
  cancel?: AbortSignal;
  /** Open locks that the child is to keep held while it lives (its descriptors from 3 on). */
  holds?: readonly number[];
  /** For its stdin, which a stream that breaks off ends early; without it stdin is /dev/null. */
  input?: string | Readable;
  /** 40 unless given. */
  tailLines?: number;
  /** Bytes of stdout that are kept for the result, none by default; the rest is read and dropped. */
  keep?: number;
  /**
   * Gives the program one pipe for stdout and stderr, so that lines come in the order in which it printed them. A constant
   * line of `sh` does that, and then becomes the program; a program that is not there ends with code 127.
   */
  inOrder?: boolean;
  onSpawn?: (pid: number) => void;
  /** Ends what the program left running in its process group. */
  reap?: boolean;
}

/** For `keep`, where all of stdout is wanted and a limit is only against running out of memory. */
export const ALL_OF_IT = 64 * 1024 * 1024;

const TAIL_LINES = 40;
/** Between SIGTERM and SIGKILL, in milliseconds. */
const GRACE = 2_000;

/**
 * Runs one program with an argument array, never a shell, in a process group of its own.
 * It resolves whatever the program does; it rejects only where the program cannot be started.
 */
export function run(file: string, args: readonly string[], options: CommandOptions): Promise<CommandResult> {
  return new Promise((resolve, reject) => {
    const started = process.hrtime.bigint();
    const [program, argv] = options.inOrder ? merged(file, args) : [file, args];
    const child = spawn(program, argv, {
      cwd: options.cwd,
      env: options.env,
      detached: true,
      stdio: [options.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe', ...(options.holds ?? [])],
    });
    if (child.pid !== undefined) options.onSpawn?.(child.pid);
    let stopped: CommandResult['stopped'] = null;
    const stop = (why: NonNullable<CommandResult['stopped']>): void => {
      stopped ??= why;
      killGroup(child);
    };
    const limit = setTimeout(() => stop('time limit'), options.timeLimit);
    const onCancel = (): void => stop('cancelled');
    if (options.cancel?.aborted) onCancel();
    options.cancel?.addEventListener('abort', onCancel);

    const tail: string[] = [];
    const onLine = (line: string): void => {
      tail.push(line);
      if (tail.length > (options.tailLines ?? TAIL_LINES)) tail.shift();
      options.onLine?.(line);
    };
    const stdout: Buffer[] = [];
    let kept = 0;
    const outLines = new LineSplitter(onLine);
    const errLines = new LineSplitter(onLine);
    child.stdout?.on('data', (chunk: Buffer) => {
      if (kept < (options.keep ?? 0)) stdout.push(chunk);
      kept += chunk.length;
      outLines.write(chunk);
    });
    child.stderr?.on('data', (chunk: Buffer) => errLines.write(chunk));
    if (child.stdin) {
      // A program that does not read its input is judged by its exit code, not by our EPIPE.
      if (options.input instanceof Readable) pipeline(options.input, child.stdin, () => {});
      else {
        child.stdin.on('error', () => {});
        child.stdin.end(options.input);
      }
    }

    const finish = (): void => {
      clearTimeout(limit);
      options.cancel?.removeEventListener('abort', onCancel);
    };
    child.once('error', (error) => {
      finish();
      reject(error);
    });
    const settle = (code: number | null, signal: string | null): void => {
      finish();
      outLines.end();
      errLines.end();
      resolve({
        code,
        signal,
        stopped,
        stdout: Buffer.concat(stdout).toString('utf8'),
        tail,
        durationMs: Number(process.hrtime.bigint() - started) / 1e6,
      });
    };
    child.once('close', settle);
    // A background child may keep the pipes open for ever: what it prints after the program's end is not waited for.
    child.once('exit', () => {
      if (options.reap) signalGroup(child.pid, 'SIGKILL');
      setTimeout(() => {
        child.stdout?.destroy();
        child.stderr?.destroy();
      }, GRACE).unref();
    });
  });
}

/** Node has no pipe for two streams; of the shell's line nothing is made from what is run. */
function merged(file: string, args: readonly string[]): [string, string[]] {
  return ['sh', ['-c', 'exec "$0" "$@" 2>&1', file, ...args]];
}

function killGroup(child: ChildProcess): void {
  signalGroup(child.pid, 'SIGTERM');
  setTimeout(() => signalGroup(child.pid, 'SIGKILL'), GRACE).unref();
}

/** Sends a signal to a process that leads a group, and to all of its group. */
export function signalGroup(pid: number | undefined, signal: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch {
    // The group is gone, which is what was wanted.
  }
}
