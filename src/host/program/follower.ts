import { closeSync, type FSWatcher, fstatSync, openSync, readSync, watch, writeSync } from 'node:fs';
import { join } from 'node:path';
import { LEASE } from '../../protocol.ts';
import { loadProgram, type Program, stillRuns } from './program.ts';
import { programLog } from './program-log.ts';
import { freeReserve } from './reserve.ts';
import { type StartOptions, startAgain, startProgram } from './start.ts';

export interface FollowOptions extends StartOptions {
  /** Begins every line that is printed here, so that the runner knows it from what else is printed. */
  nonce: string;
  /** What was read from stdin already, beyond the opening. */
  rest: Buffer;
}

export interface RejoinOptions extends FollowOptions {
  /** Bytes of the events that the runner has already. */
  offset: number;
}

/** Where the kernel tells nothing of a change, it is found within this time, in milliseconds. */
const POLL_EVERY = 200;
/** How long a program that another follower may be starting is waited for, in milliseconds. */
const STARTS_WITHIN = 1_000;

/**
 * Starts the host program on its own, and shows the runner what it does until it ends, the runner ends the session or
 * is not heard of for `LEASE`. The program outlives this process. One that is gone without an end is started once more,
 * to end what it began. Prints lines of these forms:
 * `<nonce> started <pid>`, `<nonce> event <offset of its end> <json>`, `<nonce> gone <json array of its last log lines>`
 * and `<nonce> failed <json string>`.
 */
export function follow(options: FollowOptions): void {
  const events = join(options.runDir, 'events.ndjson');
  closeSync(openSync(events, 'a', 0o600));
  const print = printer(options.nonce);
  const program = startProgram(options, 'run', failed(print));
  if (program === null) return;
  print(`started ${program.pid}`);
  listen(options.runDir, options.rest);
  show(options, program, print, 0);
}

/**
 * Follows a program that was started in an earlier session, whether it still runs or not, from `offset` on. Prints what
 * `follow` prints, with `joined` for `started`.
 */
export function rejoin(options: RejoinOptions): void {
  const print = printer(options.nonce);
  const program = loadProgram(options.runDir);
  // First of all: a cancel that came with the request is to be heard, whatever becomes of this session.
  listen(options.runDir, options.rest);
  print(`joined ${program.pid}`);
  show(options, program, print, options.offset);
}

type Print = (text: string, done?: () => void) => void;

/** Puts each line on a line of its own, whatever a background job of the login shell has left unended before it. */
export function printer(nonce: string): Print {
  // A session that nobody reads any more has ended.
  process.stdout.on('error', leave);
  return (text, done) => {
    process.stdout.write(`\n${nonce} ${text}\n`, done);
  };
}

function failed(print: Print): (reason: string) => void {
  return (reason) => print(`failed ${JSON.stringify(reason)}`, leave);
}

function leave(): void {
  process.exit(0);
}

/** Hands on what the runner says, line by line; every byte of it renews the lease. */
function listen(runDir: string, rest: Buffer): void {
  const control = openSync(join(runDir, 'control.ndjson'), 'a', 0o600);
  const append = (text: string): boolean => {
    try {
      return writeSync(control, text) === Buffer.byteLength(text);
    } catch {
      return false;
    }
  };
  const toControl = byLine((line) => {
    if (!isJson(line) || append(`${line}\n`)) return;
    // On a full disk a cancel needs the room more than what comes later. It must not continue what found room in part.
    freeReserve(runDir);
    append(`\n${line}\n`);
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

function show(options: StartOptions, first: Program, print: Print, from: number): void {
  const file = join(options.runDir, 'events.ndjson');
  const events = openSync(file, 'r');
  let program = first;
  let ended = false;
  let position = from;
  /** Until when another follower's start of it is waited for; our own needs no waiting. */
  let deadline: number | null = null;
  const catchUp = (): void => {
    const bytes = readFrom(events, position);
    let start = 0;
    // What has no line end yet is read again later: it may never get one.
    for (let at = bytes.indexOf(10); at >= 0 && !ended; at = bytes.indexOf(10, start)) {
      const line = bytes.toString('utf8', start, at);
      start = at + 1;
      ended = isEnd(line);
      print(`event ${position + start} ${line}`, ended ? leave : undefined);
    }
    position += start;
  };
  const look = (): void => {
    // Asked first: what it wrote before it ended is there to be read then.
    const alive = stillRuns(program);
    catchUp();
    if (alive || ended) return;
    const again = startAgain(options, failed(print));
    deadline ??= again === null ? performance.now() + STARTS_WITHIN : 0;
    program = again ?? loadProgram(options.runDir);
    if (again !== null || stillRuns(program) || performance.now() < deadline) return;
    ended = true;
    print(`gone ${JSON.stringify(programLog(options.runDir))}`, leave);
  };
  setInterval(look, POLL_EVERY);
  onChange(file, catchUp);
  look();
}

function readFrom(descriptor: number, position: number): Buffer {
  const bytes = Buffer.alloc(Math.max(0, fstatSync(descriptor).size - position));
  return bytes.subarray(0, readSync(descriptor, bytes, 0, bytes.length, position));
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

/** Calls back with each whole line of a stream. */
function byLine(onLine: (line: string) => void): (chunk: Buffer) => void {
  let rest: Buffer[] = [];
  return (chunk) => {
    let from = 0;
    for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, from)) {
      const line = Buffer.concat([...rest, chunk.subarray(from, at)]);
      rest = [];
      from = at + 1;
      onLine(line.toString('utf8'));
    }
    if (from < chunk.length) rest.push(chunk.subarray(from));
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
