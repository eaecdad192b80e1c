import { closeSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { Event } from '../protocol.ts';
import type { Redactor } from './redact.ts';

/** A build may print for ever: what the log shows of one deploy's commands is bounded. Characters. */
const MOST_OUTPUT = 2_000_000;
const LONGEST_LINE = 2_000;

export type EventLog = (event: Event) => void;

/** Writes events where followers read them, without secrets. Returns once the event is in the file. */
export function openEvents(runDir: string, redactor: Redactor): EventLog & { close(): void } {
  const descriptor = openSync(join(runDir, 'events.ndjson'), 'a', 0o600);
  let output = 0;
  const write = (event: Event): void => {
    try {
      writeSync(descriptor, `${JSON.stringify(event, (key, value) => clean(key, value, redactor))}\n`);
    } catch {
      // A full disk must stop the telling only, never a rollback.
    }
  };
  const log = (event: Event): void => {
    if (event.type !== 'output') {
      write(event);
      return;
    }
    if (output > MOST_OUTPUT) return;
    output += event.text.length;
    write(
      output > MOST_OUTPUT
        ? { ...event, text: '(more output than the log takes; the rest is left out)' }
        : event,
    );
  };
  return Object.assign(log, { close: () => closeSync(descriptor) });
}

/** What the protocol itself says, and not the host: an app may have its commit's id in its environment. */
const OURS = new Set(['type', 'state', 'level', 'from', 'outcome', 'sha', 'previousSha']);

function clean(key: string, value: unknown, redactor: Redactor): unknown {
  if (typeof value !== 'string' || OURS.has(key)) return value;
  const text = redactor.redact(value);
  return text.length > LONGEST_LINE ? `${text.slice(0, LONGEST_LINE)} …` : text;
}
