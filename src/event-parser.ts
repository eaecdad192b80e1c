import {
  ACCOUNTS,
  type AppCount,
  type AppLog,
  type Event,
  type HostResult,
  type LogEnd,
  MODES,
  NOTICE_LEVELS,
  OUTCOMES,
  OUTPUT_SOURCES,
  type PastDeploy,
  type SourceLine,
  STATES,
  STREAMS,
  type Standing,
} from './protocol.ts';

/** What a host sent is no event of the protocol. The message names the field, and shows nothing of the value. */
export class ProtocolError extends Error {
  constructor(where: string, takes: string) {
    super(`${where} is not ${takes}`);
    this.name = 'ProtocolError';
  }
}

/** Characters of one text that are kept: searching a longer one could take minutes. */
const LONGEST_TEXT = 8_000;
const MOST_LINES = 500;
/** Entries of a list that is not made of lines. */
const MOST_ENTRIES = 1_000;

/** Makes a value of what a host sent, or throws a `ProtocolError`. `where` is the field's path. */
type Parser<T> = (value: unknown, where: string) => T;
type Fields<T> = { [Name in keyof T]-?: Parser<T[Name]> };

/**
 * Reads one event. All that comes back is made anew, field by field: each is of its set, a number, a commit id, or text
 * of a bounded length, which stays hostile until it is rendered. Throws a `ProtocolError`.
 */
export function parseEvent(value: unknown): Event {
  const type = oneOf(Object.keys(EVENTS) as Event['type'][])(fieldOf(value, 'type'), 'type');
  return EVENTS[type](value, type);
}

/** Whether a text is a full commit id. */
export function isCommitId(text: string): boolean {
  return /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/.test(text);
}

const text: Parser<string> = (value, where) => {
  if (typeof value !== 'string') throw new ProtocolError(where, 'text');
  const left = value.length - LONGEST_TEXT;
  return left <= 0 ? value : `${value.slice(0, LONGEST_TEXT)} … (${left} more characters are left out)`;
};

/** The last lines: the reason is in them. */
const lines: Parser<string[]> = (value, where) => {
  if (!Array.isArray(value)) throw new ProtocolError(where, 'a list');
  const kept = value.slice(-MOST_LINES).map((line, index) => text(line, `${where}[${index}]`));
  const left = value.length - kept.length;
  return left === 0 ? kept : [`(${left} earlier lines are left out)`, ...kept];
};

const milliseconds: Parser<number> = (value, where) => {
  if (typeof value !== 'number' || !Number.isFinite(value) || value < 0)
    throw new ProtocolError(where, 'a time in milliseconds');
  return value;
};

const count: Parser<number> = (value, where) => {
  if (!Number.isSafeInteger(value) || (value as number) < 0) throw new ProtocolError(where, 'a count');
  return value as number;
};

const flag: Parser<boolean> = (value, where) => {
  if (typeof value !== 'boolean') throw new ProtocolError(where, 'true or false');
  return value;
};

const commitId = matching('a full commit id', isCommitId);
/** Empty where it was not found out. */
const version = matching('a version', (given) => /^[\w.+-]{0,64}$/.test(given));
const moment = matching('a time in ISO 8601', (given) =>
  /^\d{4,6}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?Z$/.test(given),
);

const state = oneOf(STATES);
const mode = oneOf(MODES);
const outcome = oneOf(OUTCOMES);

const sourceLine = object<SourceLine>({
  file: matching('a path in the repository', (given) =>
    /^(?!\/)(?!(?:.*\/)?\.\.(?:\/|$))[\w@+./ -]+$/.test(given),
  ),
  line: count,
});

const pastDeploy = object<PastDeploy>({
  mode,
  outcome,
  sha: nullable(commitId),
  at: moment,
  run: object<PastDeploy['run']>({ repository: text, id: text, attempt: text, url: text, actor: text }),
  reason: nullable(text),
});

const standing = object<Standing>({
  deployed: nullable(pastDeploy),
  apps: list(
    object<Standing['apps'][number]>({
      name: text,
      instances: count,
      online: count,
      ended: count,
      outdated: count,
      restarts: nullable(count),
    }),
  ),
  logs: list(object<LogEnd>({ app: text, stream: oneOf(STREAMS), lines })),
  remarks: lines,
  history: list(pastDeploy),
});

const result = object<HostResult>({
  mode,
  outcome,
  sha: nullable(commitId),
  previousSha: nullable(commitId),
  target: nullable(commitId),
  commit: nullable(object<NonNullable<HostResult['commit']>>({ subject: text, author: text })),
  previousRun: text,
  instances: nullable(count),
  outdated: list(object<HostResult['outdated'][number]>({ name: text, instances: count })),
  asked: flag,
  apps: nullable(list(object<AppCount>({ name: text, instances: count, online: count, ended: count }))),
  states: list(object<HostResult['states'][number]>({ state, atMs: milliseconds })),
  durationMs: milliseconds,
  spent: object(
    Object.fromEntries(ACCOUNTS.map((account) => [account, milliseconds])) as Fields<HostResult['spent']>,
  ),
  versions: object<HostResult['versions']>({ node: version, pm2: version }),
  requests: nullable(
    object<NonNullable<HostResult['requests']>>({ sent: count, failed: count, downtimeMs: milliseconds }),
  ),
  failure: nullable(
    object<NonNullable<HostResult['failure']>>({
      state,
      message: text,
      remedy: nullable(text),
      output: lines,
      appLogs: list(object<AppLog>({ app: text, version: oneOf(['new', 'old']), lines })),
      live: nullable(text),
      rollback: nullable(text),
    }),
  ),
  unhealthy: nullable(text),
  standing: nullable(standing),
});

const EVENTS: { [Type in Event['type']]: Parser<Extract<Event, { type: Type }>> } = {
  state: object({ type: oneOf(['state']), state, atMs: milliseconds }),
  notice: object({ type: oneOf(['notice']), level: oneOf(NOTICE_LEVELS), text, where: nullable(sourceLine) }),
  output: object({ type: oneOf(['output']), from: oneOf(OUTPUT_SOURCES), text }),
  end: object({ type: oneOf(['end']), result }),
  ready: object({
    type: oneOf(['ready']),
    place: matching('a digest', (given) => /^[0-9a-f]{64}$/.test(given)),
    sha: nullable(commitId),
    healthy: flag,
    previous: nullable(commitId),
  }),
  target: object({ type: oneOf(['target']), sha: commitId }),
};

function oneOf<const Word extends string>(words: readonly Word[]): Parser<Word> {
  return (value, where) => {
    const word = words.find((candidate) => candidate === value);
    if (word === undefined) throw new ProtocolError(where, `one of ${words.join(', ')}`);
    return word;
  };
}

function matching(takes: string, matches: (given: string) => boolean): Parser<string> {
  return (value, where) => {
    if (typeof value !== 'string' || value.length > 100 || !matches(value))
      throw new ProtocolError(where, takes);
    return value;
  };
}

/** An older host's journal may lack what it did not know. */
function nullable<T>(parse: Parser<T>): Parser<T | null> {
  return (value, where) => (value === null || value === undefined ? null : parse(value, where));
}

/** The first entries. */
function list<T>(parse: Parser<T>): Parser<T[]> {
  return (value, where) => {
    if (!Array.isArray(value)) throw new ProtocolError(where, 'a list');
    return value.slice(0, MOST_ENTRIES).map((entry, index) => parse(entry, `${where}[${index}]`));
  };
}

function object<T>(fields: Fields<T>): Parser<T> {
  const names = Object.keys(fields) as (keyof T & string)[];
  return (value, where) => {
    if (typeof value !== 'object' || value === null) throw new ProtocolError(where, 'an object');
    const entries = names.map((name) => [name, fields[name](fieldOf(value, name), `${where}.${name}`)]);
    return Object.fromEntries(entries) as T;
  };
}

function fieldOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, name)
    ? (value as Record<string, unknown>)[name]
    : undefined;
}
