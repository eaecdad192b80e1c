import { expect, test } from 'vitest';
import { ProtocolError, parseEvent } from '../src/event-parser.ts';
import { type Event, type HostResult, MODES, OUTCOMES, STATES } from '../src/protocol.ts';
import { failure, result } from './report/results.ts';
import { fuzzRandom, fuzzRuns, fuzzTimeout, mutated, outcome } from './rig/fuzz.ts';
import { pick, type Random } from './rig/random.ts';

const PAST: NonNullable<NonNullable<HostResult['standing']>['deployed']> = {
  mode: 'deploy',
  outcome: 'rolled-back',
  sha: 'd'.repeat(64),
  at: '2026-11-21T16:22:42.123Z',
  run: { repository: 'acme/shop', id: '1', attempt: '2', url: 'https://github.example/1', actor: 'ada' },
  reason: 'It crashed',
};
const WHOLE: HostResult = {
  ...result(),
  requests: { sent: 10, failed: 1, downtimeMs: 120 },
  failure: failure({ rollback: 'It does not start' }),
  states: [{ state: 'staged', atMs: 7 }],
  unhealthy: 'nothing accepts connections',
  standing: {
    deployed: PAST,
    apps: [{ name: 'web', instances: 2, online: 1, ended: 0, outdated: 0, restarts: 3 }],
    logs: [{ app: 'web', stream: 'error', lines: ['Error: boom'] }],
    remarks: ['a remark'],
    history: [PAST, { ...PAST, sha: null, reason: null }],
  },
};
const EVENTS: Event[] = [
  { type: 'state', state: 'staged', atMs: 12 },
  { type: 'notice', level: 'warning', text: 'disk is nearly full', where: null },
  { type: 'notice', level: 'warning', text: 'set this', where: { file: 'apps/a b/pm2.config.js', line: 3 } },
  { type: 'output', from: 'build', text: 'built' },
  { type: 'ready', place: 'e'.repeat(64), sha: null, healthy: false, previous: 'f'.repeat(40) },
  { type: 'target', sha: 'a'.repeat(40) },
  { type: 'end', result: result() },
  { type: 'end', result: WHOLE },
];

test.each(EVENTS)('what the protocol has is taken as it is: $type', (event) => {
  expect(parseEvent(JSON.parse(JSON.stringify(event)))).toEqual(event);
});

const ending = (changes: Record<string, unknown>): unknown => ({
  type: 'end',
  result: { ...WHOLE, ...changes },
});

test.each<[unknown, string]>([
  [null, 'type is not one of state, notice, output, end'],
  [[], 'type is not one of'],
  [{ type: 'constructor' }, 'type is not one of'],
  [{ type: 'state', state: 'x', atMs: 1 }, 'state.state is not one of preflight'],
  [{ type: 'state', state: 'staged', atMs: '1' }, 'state.atMs is not a time'],
  [{ type: 'notice', level: 'error', text: 'x' }, 'notice.level is not one of info, warning'],
  ...['/etc/passwd', '../x', 'a/../x', 'a\nb', '', 7].map((file): [unknown, string] => [
    { type: 'notice', level: 'info', text: 'x', where: { file, line: 1 } },
    'notice.where.file is not a path in the repository',
  ]),
  [{ type: 'output', from: '__proto__', text: 'x' }, 'output.from is not one of'],
  [{ type: 'output', from: 'build', text: ['x'] }, 'output.text is not text'],
  [{ type: 'ready', place: 'x', sha: null, healthy: true, previous: null }, 'ready.place is not a digest'],
  [{ type: 'target', sha: 'main' }, 'target.sha is not a full commit id'],
  [{ type: 'end' }, 'end.result is not an object'],
  [ending({ outcome: 'x"; touch pwned #' }), 'end.result.outcome is not one of deployed'],
  [ending({ outcome: undefined }), 'end.result.outcome is not one of'],
  [ending({ mode: 'undo' }), 'end.result.mode is not one of'],
  [ending({ sha: 'main' }), 'end.result.sha is not a full commit id'],
  [ending({ sha: 'A'.repeat(40) }), 'end.result.sha is not a full commit id'],
  [ending({ sha: `${'a'.repeat(40)}\n` }), 'end.result.sha is not a full commit id'],
  [ending({ sha: ['a'.repeat(40)] }), 'end.result.sha is not a full commit id'],
  [ending({ previousSha: 'a'.repeat(41) }), 'end.result.previousSha is not a full commit id'],
  [ending({ instances: '2; id' }), 'end.result.instances is not a count'],
  [ending({ instances: -1 }), 'end.result.instances is not a count'],
  [ending({ instances: 1e300 }), 'end.result.instances is not a count'],
  [ending({ durationMs: null }), 'end.result.durationMs is not a time'],
  [ending({ spent: { ...WHOLE.spent, git: 'long' } }), 'end.result.spent.git is not a time'],
  [ending({ versions: { node: '$(id)', pm2: '' } }), 'end.result.versions.node is not a version'],
  [
    ending({ requests: { sent: 1, failed: 'x', downtimeMs: 0 } }),
    'end.result.requests.failed is not a count',
  ],
  [ending({ failure: { ...failure(), state: 'x' } }), 'end.result.failure.state is not one of'],
  [ending({ failure: { ...failure(), output: 'x' } }), 'end.result.failure.output is not a list'],
  [
    ending({ failure: { ...failure(), appLogs: [{ app: 'shop', version: 'new', lines: [1] }] } }),
    'end.result.failure.appLogs[0].lines[0] is not text',
  ],
  [
    ending({ standing: { ...WHOLE.standing, history: [{ ...PAST, at: 'now' }] } }),
    'history[0].at is not a time',
  ],
])('anything else is an error that names the field: %#', (event, expected) => {
  const json = JSON.parse(JSON.stringify(event));
  expect(() => parseEvent(json)).toThrow(ProtocolError);
  expect(() => parseEvent(json)).toThrow(expected);
});

test('texts and lists have a bounded length, and say what was left out', () => {
  const long = parseEvent({ type: 'notice', level: 'info', text: 'x'.repeat(7_000_000) });
  expect(long).toMatchObject({
    text: expect.stringMatching(/^x{8000} … \(6992000 more characters are left out\)$/),
  });
  const output = Array.from({ length: 100_000 }, (_, index) => `line ${index}`);
  const ended = parseEvent(ending({ failure: { ...failure(), output } })) as Extract<Event, { type: 'end' }>;
  expect(ended.result.failure?.output).toHaveLength(501);
  expect(ended.result.failure?.output[0]).toBe('(99500 earlier lines are left out)');
  expect(ended.result.failure?.output.at(-1)).toBe('line 99999');
});

test('what the protocol does not know is not passed on', () => {
  const parsed = parseEvent(JSON.parse(JSON.stringify(ending({ extra: 1, __proto__: { evil: 1 } }))));
  expect(parsed).toEqual({ type: 'end', result: WHOLE });
});

const RUNS = fuzzRuns(4_000);

test(
  'whatever a host sends is an event of the protocol, or an error of its own',
  () => {
    const rand = fuzzRandom('events');
    let taken = 0;
    for (let run = 0; run < RUNS; run += 1) {
      const event = pick(rand, EVENTS);
      const json =
        rand(2) === 0 ? mutated(rand, JSON.stringify(event)) : JSON.stringify(twisted(rand, event));
      const value = parsed(json);
      if (value === undefined) continue;
      const found = outcome(() => parseEvent(value), ProtocolError, json);
      if ('error' in found) {
        expect(found.error.message.length, json).toBeLessThan(300);
        continue;
      }
      taken += 1;
      // No field is other than the protocol says, judged by other rules than the parser's own.
      expect(strangeIn(found.result), json).toEqual([]);
      expect(JSON.stringify(found.result).length).toBeLessThan(100_000);
    }
    expect(taken).toBeGreaterThan(RUNS / 20);
    expect(taken).toBeLessThan(RUNS);
  },
  fuzzTimeout(RUNS),
);

function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}

const STRANGE: readonly unknown[] = [
  null, true, -1, 0, 1.5, 1e308, '', 'x"; id', '::error::x', '\u001b]0;x\u0007', 'a'.repeat(40), 'b'.repeat(64), 'A'.repeat(40),
  'deployed', 'x'.repeat(20_000), [], [[]], {}, { length: 3 }, { toString: 'x' }, ['x'], Array(3_000).fill('x'),
]; // biome-ignore format: a list reads best packed

/** The same value with one to three of its fields, at any depth, replaced, taken away or added. */
function twisted(rand: Random, value: unknown): unknown {
  const copy = JSON.parse(JSON.stringify(value)) as Record<string, unknown>;
  for (let times = 1 + rand(3); times > 0; times -= 1) {
    let at = copy;
    for (;;) {
      const inner = Object.values(at).filter((one) => typeof one === 'object' && one !== null);
      if (inner.length === 0 || rand(3) === 0) break;
      at = pick(rand, inner) as Record<string, unknown>;
    }
    const name = pick(rand, [...Object.keys(at), 'other', '__proto__', 'type']);
    if (rand(4) === 0) delete at[name];
    else at[name] = structuredClone(pick(rand, STRANGE));
  }
  return copy;
}

const WORDS: Record<string, readonly string[]> = {
  type: ['state', 'notice', 'output', 'end', 'ready', 'target'],
  state: STATES,
  mode: MODES,
  outcome: OUTCOMES,
  level: ['info', 'warning'],
  stream: ['output', 'error'],
  from: ['install', 'build', 'migrate', 'before-reload', 'after-reload', 'pm2'],
};
const NUMBERS =
  /^(ended|outdated|atMs|durationMs|downtimeMs|lock|git|install|build|migrate|before-reload|after-reload|canary|pm2|verify|sent|failed|instances|online|restarts|line)$/;

/** Paths of what no parser may let through. */
function strangeIn(value: unknown, path: readonly string[] = []): string[] {
  const name = path.filter((part) => !/^\d+$/.test(part)).at(-1) ?? '';
  const where = path.join('.');
  if (typeof value === 'string') {
    if (value.length > 8_100) return [where];
    if (name in WORDS) return WORDS[name]?.includes(value) ? [] : [where];
    if (/sha$|^(?:target|previous|place)$/i.test(name))
      return /^([0-9a-f]{40}|[0-9a-f]{64})$/.test(value) ? [] : [where];
    if (path.includes('versions')) return /^[\w.+-]*$/.test(value) ? [] : [where];
    if (name === 'at') return Number.isNaN(Date.parse(value)) && !/^\d{4,6}-/.test(value) ? [where] : [];
    return NUMBERS.test(name) && !path.includes('versions') ? [where] : [];
  }
  if (typeof value === 'number')
    return NUMBERS.test(name) && value >= 0 && Number.isFinite(value) ? [] : [where];
  if (typeof value === 'boolean') return name === 'asked' || name === 'healthy' ? [] : [where];
  if (value === null)
    return /^(sha|previousSha|previous|requests|failure|standing|deployed|reason|unhealthy|remedy|target|commit|apps|rollback|instances|restarts|live|where)$/.test(
      name,
    )
      ? []
      : [where];
  if (typeof value !== 'object') return [where];
  return Object.entries(value).flatMap(([key, inner]) => strangeIn(inner, [...path, key]));
}
