import { closeSync, fstatSync, ftruncateSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { Event } from '../../protocol.ts';
import type { Redactor } from './redact.ts';
import { freeReserve } from './reserve.ts';

/** A build may print for ever: what the log shows of one deploy's commands is bounded. Characters. */
const MOST_OUTPUT = 2_000_000;
const LONGEST_LINE = 2_000;

export type EventLog = (event: Event) => void;

/** Writes events where followers read them, without secrets. Returns once the event is in the file. */
export function openEvents(runDir: string, redactor: Redactor): EventLog & { close(): void } {
  const descriptor = openSync(join(runDir, 'events.ndjson'), 'a', 0o600);
  const append = (line: Buffer): boolean => {
    try {
      const { size } = fstatSync(descriptor);
      if (writeSync(descriptor, line) === line.length) return true;
      // The next event must not continue one that found room in part.
      ftruncateSync(descriptor, size);
    } catch {
      // A full disk must stop the telling only, never a rollback.
    }
    return false;
  };
  const write = (json: string): void => {
    const line = Buffer.from(`${json}\n`);
    if (append(line)) return;
    freeReserve(runDir);
    append(line);
  };
  return Object.assign(eventLog(write, redactor), { close: () => closeSync(descriptor) });
}

/** Prints events as a follower does that reads them from a file. */
export function printEvents(print: (text: string) => void, redactor: Redactor): EventLog {
  let position = 0;
  return eventLog((json) => {
    position += Buffer.byteLength(json) + 1;
    print(`event ${position} ${json}`);
  }, redactor);
}

function eventLog(writeLine: (json: string) => void, redactor: Redactor): EventLog {
  let output = 0;
  const write = (event: Event): void =>
    writeLine(JSON.stringify(event, (key, value) => clean(key, value, redactor)));
  return (event) => {
    if (event.type !== 'output') {
      write(event);
      return;
    }
    if (output > MOST_OUTPUT) return;
    output += event.text.length;
    write(
      output > MOST_OUTPUT
        ? { ...event, text: '(too much output for the log; the rest is left out)' }
        : event,
    );
  };
}

/** What the protocol itself says, and not the host: an app may have its commit's id in its environment. */
const OURS = new Set(['type', 'state', 'level', 'from', 'outcome', 'sha', 'previousSha']);

function clean(key: string, value: unknown, redactor: Redactor): unknown {
  if (typeof value !== 'string' || OURS.has(key)) return value;
  const text = redactor.redact(value);
  return text.length > LONGEST_LINE ? `${text.slice(0, LONGEST_LINE)} …` : text;
}
