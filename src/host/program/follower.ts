import { closeSync, type FSWatcher, fstatSync, openSync, readSync, watch, writeSync } from 'node:fs';
import { join } from 'node:path';
import { LEASE } from '../../protocol.ts';
import { isJson } from '../system/checked.ts';
import { leave, type Print, printer } from './printer.ts';
import { loadProgram, type Program, stillRuns } from './program.ts';
import { programLog } from './program-log.ts';
import { freeReserve } from './reserve.ts';
import { type StartOptions, startAgain, startProgram } from './start.ts';

export interface FollowOptions extends StartOptions {
  /** Begins every printed line, so that the runner can tell it from other output. */
  nonce: string;
  /** What was already read from stdin after the opening. */
  rest: Buffer;
}

export interface RejoinOptions extends FollowOptions {
  /** Bytes of the events that the runner already has. */
  offset: number;
}

/** If the kernel reports no change, it is found within this time, in milliseconds. */
const POLL_EVERY = 200;
/** How long to wait for a program that another follower may be starting, in milliseconds. */
const STARTS_WITHIN = 1_000;

/**
 * Starts the host program as a process of its own, which outlives this one. Shows the runner what it does until it ends,
 * or the runner ends the session, or the runner is silent for `LEASE`. A program that is gone without a last event is
 * started once more, to end what it began. Prints lines of these forms:
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
 * Follows a program of an earlier session from `offset` on, whether it still runs or not. Prints what `follow` prints, with
 * `joined` instead of `started`.
 */
export function rejoin(options: RejoinOptions): void {
  const print = printer(options.nonce);
  const program = loadProgram(options.runDir);
  // First: a cancel that came with the request must arrive, even if this session ends now.
  listen(options.runDir, options.rest);
  print(`joined ${program.pid}`);
  show(options, program, print, options.offset);
}

function failed(print: Print): (reason: string) => void {
  return (reason) => print(`failed ${JSON.stringify(reason)}`, leave);
}

/** Passes on what the runner says, line by line. Every byte renews the lease. */
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
    // On a full disk a cancel needs the room more than later output. It must not continue a line that was cut off.
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
  /** How long to wait for another follower to start the program. Our own start needs no waiting. */
  let deadline: number | null = null;
  const catchUp = (): void => {
    const bytes = readFrom(events, position);
    let start = 0;
    // A line without an end is read again later. It may never get one.
    for (let at = bytes.indexOf(10); at >= 0 && !ended; at = bytes.indexOf(10, start)) {
      const line = bytes.toString('utf8', start, at);
      start = at + 1;
      ended = isEnd(line);
      print(`event ${position + start} ${line}`, ended ? leave : undefined);
    }
    position += start;
  };
  const look = (): void => {
    // Ask this first: then everything that the program wrote before its end can be read.
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

/** Quick but not reliable: the kernel may have no watch left, and some filesystems have none. */
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

function isEnd(line: string): boolean {
  try {
    return (JSON.parse(line) as { type?: unknown } | null)?.type === 'end';
  } catch {
    return false;
  }
}
