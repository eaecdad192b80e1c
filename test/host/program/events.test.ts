import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openEvents } from '../../../src/host/program/events.ts';
import { createRedactor } from '../../../src/host/program/redact.ts';

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
