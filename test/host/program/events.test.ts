import { mkdtempSync, readFileSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openEvents } from '../../../src/host/program/events.ts';
import { createRedactor } from '../../../src/host/program/redact.ts';
import { createClock } from '../../../src/host/system/clock.ts';
import type { HostResult } from '../../../src/protocol.ts';

const someResult = (): HostResult => ({
  mode: 'deploy',
  outcome: 'failed',
  sha: null,
  previousSha: null,
  target: null,
  commit: null,
  previousRun: '',
  instances: 0,
  outdated: [],
  asked: false,
  apps: null,
  states: [],
  durationMs: 1,
  spent: createClock().spent,
  versions: { node: '', pm2: '' },
  requests: null,
  failure: null,
  unhealthy: null,
  standing: null,
});
const written = (dir: string): Record<string, unknown>[] =>
  readFileSync(join(dir, 'events.ndjson'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);

test('secrets are taken out of what the host says, and never out of what the protocol itself says', () => {
  const dir = mkdtempSync(join(tmpdir(), 'events-'));
  const redactor = createRedactor();
  redactor.hide(['verifying', 'topsecretvalue']);
  const log = openEvents(dir, redactor);
  log({ type: 'state', state: 'verifying', atMs: 1 });
  log({ type: 'notice', level: 'info', text: 'verifying with topsecretvalue' });
  expect(written(dir)).toEqual([
    { type: 'state', state: 'verifying', atMs: 1 },
    { type: 'notice', level: 'info', text: '*** with ***' },
  ]);
});

test('output is bounded, and says so once', () => {
  const dir = mkdtempSync(join(tmpdir(), 'events-'));
  const log = openEvents(dir, createRedactor());
  const line = 'x'.repeat(1_900);
  for (let n = 0; n < 1_200; n++) log({ type: 'output', from: 'build', text: line });
  const events = written(dir);
  expect(events.length).toBeLessThan(1_060);
  expect(events.at(-1)?.text).toContain('left out');
});

test.each([
  ['blank lines', '', 1_000_000],
  ['lines that JSON makes longer', '"'.repeat(1_900), 3_000],
])(
  'a build that prints %s fills no disk, and the log says at the end how much is missing',
  (_, text, count) => {
    const dir = mkdtempSync(join(tmpdir(), 'events-'));
    const log = openEvents(dir, createRedactor());
    for (let n = 0; n < count; n++) log({ type: 'output', from: 'build', text });
    log({ type: 'state', state: 'prepared', atMs: 1 });
    log({ type: 'end', result: someResult() });
    expect(statSync(join(dir, 'events.ndjson')).size).toBeLessThan(2_100_000);
    const events = written(dir);
    const shown = events.filter((event) => event.type === 'output').length - 1;
    expect(events.slice(-3)).toMatchObject([
      { type: 'state', state: 'prepared' },
      { type: 'notice', level: 'warning', text: expect.stringContaining(`${count - shown} more lines`) },
      { type: 'end' },
    ]);
  },
);

test('notices are bounded too, and so is a list in the result; the end is always told', () => {
  const dir = mkdtempSync(join(tmpdir(), 'events-'));
  const log = openEvents(dir, createRedactor());
  for (let n = 0; n < 3_000; n++) log({ type: 'notice', level: 'info', text: 'x'.repeat(1_900) });
  const output = Array.from({ length: 10_000 }, (_, n) => `line ${n}`);
  const failure = {
    state: 'staged' as const,
    message: '',
    remedy: null,
    output,
    appLogs: [],
    live: null,
    rollback: null,
  };
  log({ type: 'end', result: { ...someResult(), failure } });
  expect(statSync(join(dir, 'events.ndjson')).size).toBeLessThan(2_100_000);
  const [missing, end] = written(dir).slice(-2) as [
    { text: string },
    { result: { failure: { output: string[] } } },
  ];
  expect(missing.text).toMatch(/\d+ more messages are not in the log/);
  expect(end.result.failure.output).toHaveLength(501);
  expect(end.result.failure.output.at(-1)).toBe('… and 9500 more');
});
