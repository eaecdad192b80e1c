import { spawn } from 'node:child_process';
import { closeSync, type FSWatcher, openSync, readFileSync, readSync, watch, writeSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { LEASE } from '../protocol.ts';
import { loadProgram, type Program, programOf, saveProgram, stillRuns } from './program.ts';

export interface FollowOptions {
  /** Begins every line that is printed here, so that the runner knows it from what else is printed. */
  nonce: string;
  runDir: string;
  /** The host program: what it is started from. */
  programFile: string;
  /** Goes to the program's stdin, and nowhere else. */
  plan: unknown;
  /** What was read from stdin already, beyond the opening. */
  rest: Buffer;
}

export interface RejoinOptions extends Pick<FollowOptions, 'nonce' | 'runDir' | 'rest'> {
  /** Bytes of the events that the runner has already. */
  offset: number;
}

/** Where the kernel tells nothing of a change, it is found within this time, in milliseconds. */
const POLL_EVERY = 200;
const LOG_LINES = 20;
const LOG_TAIL = 16 * 1024;

/**
 * Starts the host program on its own, and shows the runner what it does until it ends, the runner ends the session or
 * is not heard of for `LEASE`. The program outlives this process. Prints lines of these forms:
 * `<nonce> started <pid>`, `<nonce> event <offset of its end> <json>`, `<nonce> gone <json array of its last log lines>`
 * and `<nonce> failed <json string>`.
 */
export function follow(options: FollowOptions): void {
  const events = join(options.runDir, 'events.ndjson');
  closeSync(openSync(events, 'a', 0o600));
  const print = printer(options.nonce);
  const program = start(options, (reason) => print(`failed ${JSON.stringify(reason)}`, leave));
  if (program === null) return;
  print(`started ${program.pid}`);
  listen(options.runDir, options.rest);
  show(options.runDir, program, print, 0);
}

/**
 * Follows a program that was started in an earlier session, whether it still runs or not, from `offset` on. Prints what
 * `follow` prints, with `joined` for `started`.
 */
export function rejoin({ nonce, runDir, offset, rest }: RejoinOptions): void {
  const print = printer(nonce);
  const program = loadProgram(runDir);
  // First of all: a cancel that came with the request is to be heard, whatever becomes of this session.
  listen(runDir, rest);
  print(`joined ${program.pid}`);
  show(runDir, program, print, offset);
}

/** Puts each line on a line of its own, whatever a background job of the login shell has left unended before it. */
function printer(nonce: string): (text: string, done?: () => void) => void {
  // A session that nobody reads any more has ended.
  process.stdout.on('error', leave);
  return (text, done) => {
    process.stdout.write(`\n${nonce} ${text}\n`, done);
  };
}

function leave(): void {
  process.exit(0);
}

function start(options: FollowOptions, onFailure: (reason: string) => void): Program | null {
  const log = openSync(join(options.runDir, 'stderr.log'), 'a', 0o600);
  const child = spawn(process.execPath, [options.programFile, 'run', options.runDir], {
    cwd: homedir(),
    detached: true,
    stdio: ['pipe', log, log],
  });
  closeSync(log);
  child.once('error', (error) => onFailure(error.message));
  const { pid } = child;
  if (pid === undefined) return null;
  const program = programOf(pid);
  // Before it is given its plan: without this word nobody could follow it later, so nothing is to begin.
  saveProgram(options.runDir, program);
  // A program that ended before it had read its plan is told of as gone.
  child.stdin?.on('error', () => {});
  child.stdin?.end(JSON.stringify(options.plan));
  child.unref();
  return program;
}

/** Hands on what the runner says, line by line; every byte of it renews the lease. */
function listen(runDir: string, rest: Buffer): void {
  const control = openSync(join(runDir, 'control.ndjson'), 'a', 0o600);
  const toControl = byLine((line) => {
    if (isJson(line)) writeSync(control, `${line}\n`);
  });
  const lease = setTimeout(leave, LEASE);
  const take = (chunk: Buffer): void => {
    lease.refresh();
    toControl(chunk);
  };
  if (rest.length > 0) take(rest);
  process.stdin.on('data', take);
  process.stdin.on('end', leave);
  process.stdin.on('error', leave);
  process.stdin.resume();
}

function show(runDir: string, program: Program, print: ReturnType<typeof printer>, from: number): void {
  let ended = false;
  const events = openSync(join(runDir, 'events.ndjson'), 'r');
  const onBytes = byLine((line, end) => {
    if (ended) return;
    ended = isEnd(line);
    print(`event ${end} ${line}`, ended ? leave : undefined);
  }, from);
  let position = from;
  const buffer = Buffer.alloc(64 * 1024);
  const catchUp = (): void => {
    for (let size = 1; size > 0; position += size) {
      size = readSync(events, buffer, 0, buffer.length, position);
      onBytes(buffer.subarray(0, size));
    }
  };
  const look = (): void => {
    // Asked first: what it wrote before it ended is there to be read then.
    const alive = stillRuns(program);
    catchUp();
    if (alive || ended) return;
    ended = true;
    print(`gone ${JSON.stringify(lastLines(join(runDir, 'stderr.log')))}`, leave);
  };
  setInterval(look, POLL_EVERY);
  onChange(join(runDir, 'events.ndjson'), catchUp);
  look();
}

/** Quick, and not to be relied upon: the kernel's watches may be used up, and some filesystems have none. */
function onChange(file: string, listener: () => void): void {
  let watcher: FSWatcher;
  try {
    watcher = watch(file, listener);
  } catch {
    return;
  }
  watcher.on('error', () => watcher.close());
}

/** Calls back with each whole line of a stream that begins at `offset`, and the offset in bytes at which it ends. */
function byLine(onLine: (line: string, end: number) => void, offset = 0): (chunk: Buffer) => void {
  let rest: Buffer[] = [];
  let start = offset;
  return (chunk) => {
    let from = 0;
    for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, from)) {
      const line = Buffer.concat([...rest, chunk.subarray(from, at)]);
      rest = [];
      from = at + 1;
      onLine(line.toString('utf8'), start + from);
    }
    // A copy: the caller may fill its buffer again.
    if (from < chunk.length) rest.push(Buffer.from(chunk.subarray(from)));
    start += chunk.length;
  };
}

function isJson(line: string): boolean {
  try {
    JSON.parse(line);
    return true;
  } catch {
    return false;
  }
}

function isEnd(line: string): boolean {
  try {
    return (JSON.parse(line) as { type?: unknown } | null)?.type === 'end';
  } catch {
    return false;
  }
}

function lastLines(file: string): string[] {
  try {
    const text = readFileSync(file).subarray(-LOG_TAIL).toString('utf8');
    return text
      .split('\n')
      .filter((line) => line !== '')
      .slice(-LOG_LINES);
  } catch {
    return [];
  }
}
