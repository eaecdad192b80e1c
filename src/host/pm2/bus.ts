import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { LineSplitter, LONGEST_LINE } from '../system/line-splitter.ts';
import { MessageReader } from './amp.ts';
import { DEPLOY_ID } from './list.ts';

/**
 * One process of an app, as PM2's daemon announced it. A cluster worker that throws as it boots ends before PM2 has opened
 * its log file (seen with PM2 7 on Node 24): only here are its last words to be had. Times are of `performance.now()`.
 */
export interface Life {
  name: string;
  /** PM2's id, as text: that of a process which is being replaced begins with `_old_`. */
  pmId: string;
  /** The deploy that started it; null as long as PM2 has not said so. */
  deployId: string | null;
  /** Whether its start was heard: one that ran already is of an older version. */
  isNew: boolean;
  began: number;
  /** Null while it runs. */
  ended: number | null;
  /** What it printed to its error stream; the last lines. */
  lines: { at: number; text: string }[];
  /** The last line, as long as it has not ended: PM2 hands on what was written at once, and Python writes a line in pieces. */
  cut: string;
  /** The message of an error that nothing caught. In cluster mode the process lives on after a rejection. */
  thrown: string | null;
}

export interface LifeStream {
  /** Oldest first. */
  lives(): readonly Life[];
  close(): void;
}

const MOST_LINES = 200;
/** Processes that are remembered of one instance: a crash loop goes on for long. */
const MOST_LIVES = 20;
/** A daemon may only be about to start. */
const RETRY_EVERY = 50;
const STARTING = /^App \[(.*):(\d+)\] starting in -/;

/** Listens to the apps of these names until it is closed. Never fails: without a daemon there is nothing to hear. */
export function hearLives(pm2Home: string, names: readonly string[]): LifeStream {
  const lives: Life[] = [];
  const close = hearBus(pm2Home, (topic, packet) => note(lives, names, topic, packet));
  return { lives: () => lives, close };
}

function note(lives: Life[], names: readonly string[], topic: unknown, packet: Announcement): void {
  const { data } = packet;
  const at = performance.now();
  if (topic === 'log:PM2' && typeof data === 'string') {
    const [, name = '', pmId = ''] = STARTING.exec(data) ?? [];
    if (names.includes(name)) begin(lives, name, pmId, at, true);
    return;
  }
  const name = String(packet.process?.name);
  if (!names.includes(name)) return;
  const pmId = String(packet.process?.pm_id);
  const life =
    [...lives].reverse().find((one) => one.pmId === pmId && one.name === name) ??
    begin(lives, name, pmId, at, false);
  if (topic === 'log:err' && typeof data === 'string') {
    add(life, data, at);
  } else if (topic === 'process:exception') {
    life.thrown ??= firstLine((data as { message?: unknown } | undefined)?.message);
  } else if (topic === 'process:event') {
    const deployId = packet.process?.[DEPLOY_ID];
    if (typeof deployId === 'string') life.deployId ??= deployId;
    if (packet.event === 'exit') life.ended ??= at;
  }
}

function begin(lives: Life[], name: string, pmId: string, at: number, isNew: boolean): Life {
  const life = {
    name,
    pmId,
    deployId: null,
    isNew,
    began: at,
    ended: null,
    lines: [],
    cut: '',
    thrown: null,
  };
  lives.push(life);
  const same = lives.filter((one) => one.pmId === pmId);
  if (same.length > MOST_LIVES) lives.splice(lives.indexOf(same[0] as Life), 1);
  return life;
}

function add(life: Life, data: string, at: number): void {
  const { lines } = life;
  if (life.cut.trim() !== '') lines.pop();
  const whole = life.cut + data;
  lines.push(...linesOf(whole).map((text) => ({ at, text })));
  lines.splice(0, lines.length - MOST_LINES);
  const [rest = ''] = /[^\r\n]*$/.exec(whole) ?? [];
  life.cut = rest.length < LONGEST_LINE ? rest : '';
}

function linesOf(data: string): string[] {
  const lines: string[] = [];
  const splitter = new LineSplitter((line) => lines.push(line));
  splitter.write(Buffer.from(data));
  splitter.end();
  return lines.filter((line) => line.trim() !== '');
}

function firstLine(message: unknown): string {
  return (typeof message === 'string' && linesOf(message)[0]) || 'an error without a message';
}

/** What PM2's daemon announces: an app's output as `log:err` and `log:out`, its own as `log:PM2`. */
export interface Announcement {
  event?: unknown;
  data?: unknown;
  process?: { name?: unknown; pm_id?: unknown; [variable: string]: unknown };
}

/**
 * Gives all that the daemon announces from now on to `take`, through restarts of the daemon, until the function that it
 * returns is called. Never fails.
 */
export function hearBus(pm2Home: string, take: (topic: unknown, packet: Announcement) => void): () => void {
  let socket: Socket | null = null;
  let retry: NodeJS.Timeout | null = null;
  let closed = false;

  const dial = (): void => {
    const reader = new MessageReader(([topic, packet]) => take(topic, (packet ?? {}) as Announcement));
    socket = connect(join(pm2Home, 'pub.sock'));
    socket.on('data', (chunk: Buffer) => {
      try {
        reader.write(chunk);
      } catch {
        socket?.destroy();
      }
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      if (!closed) retry = setTimeout(dial, RETRY_EVERY);
    });
  };
  dial();
  return () => {
    closed = true;
    if (retry !== null) clearTimeout(retry);
    socket?.destroy();
  };
}
