import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { LineSplitter } from '../system/line-splitter.ts';
import { MessageReader } from './amp.ts';

/**
 * What apps print to their error stream, as PM2's daemon announces it. A cluster worker that throws as it boots ends
 * before PM2 has opened its log file (seen with PM2 7 on Node 24): only here are its last words to be had.
 */
export interface ErrorStream {
  /** The last lines so far, oldest first. */
  lines(): string[];
  close(): void;
}

const MOST_LINES = 200;
/** A daemon may only be about to start. */
const RETRY_EVERY = 50;

/** Listens to the apps of these names until it is closed. Never fails: without a daemon there is nothing to hear. */
export function hearErrors(pm2Home: string, names: readonly string[]): ErrorStream {
  const heard: string[] = [];
  const close = hearBus(pm2Home, (topic, packet) => {
    if (topic !== 'log:err') return;
    const { data, process } = packet;
    if (typeof data !== 'string' || !names.includes(String(process?.name))) return;
    const splitter = new LineSplitter((line) => {
      if (line.trim() !== '') heard.push(line);
    });
    splitter.write(Buffer.from(data));
    splitter.end();
    heard.splice(0, heard.length - MOST_LINES);
  });
  return { lines: () => [...heard], close };
}

/** What PM2's daemon announces: an app's output as `log:err` and `log:out`, its own as `log:PM2`. */
export interface Announcement {
  data?: unknown;
  process?: { name?: unknown };
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
