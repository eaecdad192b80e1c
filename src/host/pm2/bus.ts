import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { LineSplitter } from '../command.ts';
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
  let socket: Socket | null = null;
  let retry: NodeJS.Timeout | null = null;
  let closed = false;

  const take = ([topic, packet]: unknown[]): void => {
    if (topic !== 'log:err') return;
    const { data, process } = (packet ?? {}) as { data?: unknown; process?: { name?: unknown } };
    if (typeof data !== 'string' || !names.includes(String(process?.name))) return;
    const splitter = new LineSplitter((line) => {
      if (line.trim() !== '') heard.push(line);
    });
    splitter.write(Buffer.from(data));
    splitter.end();
    heard.splice(0, heard.length - MOST_LINES);
  };
  const dial = (): void => {
    const reader = new MessageReader(take);
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
  return {
    lines: () => [...heard],
    close() {
      closed = true;
      if (retry !== null) clearTimeout(retry);
      socket?.destroy();
    },
  };
}
