import { closeSync, fstatSync, ftruncateSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { Event } from '../../protocol.ts';
import type { Redactor } from './redact.ts';
import { freeReserve } from './reserve.ts';

/** A build may print for ever, and a disk is finite. Bytes of the file: what commands print, and all else but the end. */
const MOST_OUTPUT = 2_000_000;
const MOST_OTHERS = 2_000_000;
/** Characters of one text, and texts of one list. */
const LONGEST_TEXT = 2_000;
const LONGEST_LIST = 500;

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
  const output = allowance(MOST_OUTPUT);
  const others = allowance(MOST_OTHERS);
  const jsonOf = (event: Event): string => JSON.stringify(event, (key, value) => clean(key, value, redactor));
  const writeWithin = (limit: Allowance, event: Event): boolean => {
    const json = limit.leftOut > 0 ? '' : jsonOf(event);
    const fits = limit.takes(Buffer.byteLength(json) + 1);
    if (fits) writeLine(json);
    return fits;
  };
  return (event) => {
    if (event.type === 'notice') writeWithin(others, event);
    else if (event.type === 'output') {
      if (writeWithin(output, event) || output.leftOut > 1) return;
      writeLine(jsonOf({ ...event, text: '(too much output for the log; the rest is left out)' }));
    } else {
      if (event.type === 'end')
        for (const text of omissions(output.leftOut, others.leftOut))
          writeLine(jsonOf({ type: 'notice', level: 'warning', text }));
      writeLine(jsonOf(event));
    }
  };
}

type Allowance = ReturnType<typeof allowance>;

/** Counts bytes up to a limit, and then what is left out. */
function allowance(limit: number) {
  let used = 0;
  return {
    leftOut: 0,
    takes(size: number): boolean {
      if (this.leftOut === 0 && used + size <= limit) used += size;
      else this.leftOut += 1;
      return this.leftOut === 0;
    },
  };
}

function omissions(lines: number, notices: number): string[] {
  const why = `a log holds ${MOST_OUTPUT / 1e6} MB of them`;
  return [
    ...(lines > 0 ? [`${lines} more lines that commands printed are not in the log: ${why}.`] : []),
    ...(notices > 0 ? [`${notices} more messages are not in the log: ${why}.`] : []),
  ];
}

/** What the protocol itself says, and not the host: an app may have its commit's id in its environment. */
const OURS = new Set([
  'type',
  'state',
  'level',
  'from',
  'outcome',
  'sha',
  'previousSha',
  'target',
  'place',
  'previous',
]);

function clean(key: string, value: unknown, redactor: Redactor): unknown {
  if (Array.isArray(value) && value.length > LONGEST_LIST)
    return [...value.slice(0, LONGEST_LIST), `… and ${value.length - LONGEST_LIST} more`];
  if (typeof value !== 'string' || OURS.has(key)) return value;
  const text = redactor.redact(value);
  return text.length > LONGEST_TEXT ? `${text.slice(0, LONGEST_TEXT)} …` : text;
}
