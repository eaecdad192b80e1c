import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { parseEvent } from '../../src/event-parser.ts';
import { type HostResult, STATES } from '../../src/protocol.ts';
import { renderSummary } from '../../src/report/summary.ts';
import { ROOT } from '../rig/places.ts';
import { FACTS, failure, PREVIOUS, result } from './results.ts';

/** The four questions of somebody who is on call. Each scores 0 to 3 for a summary: by where its answer stands. */
const QUESTIONS = ['is it up', 'on which version', 'what broke', 'what to do'] as const;

/** Lines that are read before anybody scrolls. */
const SCREEN = 12;

function scoresOf(told: HostResult, summary: string): Record<(typeof QUESTIONS)[number], number> {
  const lines = summary.split('\n').filter((line) => line.trim() !== '');
  const first = lines[0] ?? '';
  const screen = lines.slice(0, SCREEN).join('\n');
  const at = (found: RegExp): number =>
    found.test(first) ? 3 : found.test(screen) ? 2 : found.test(summary) ? 1 : 0;
  const within = (found: RegExp): number => (found.test(screen) ? 3 : found.test(summary) ? 1 : 0);
  const isBad = told.failure !== null;
  return {
    'is it up': at(/\b(?:live|up|DOWN|unhealthy|runs|healthy|removed|not known)\b/),
    'on which version': at(
      new RegExp(told.sha?.slice(0, 7) ?? '\\b(?:[Nn]othing|[Nn]o instance|removed|known|DOWN)\\b'),
    ),
    'what broke': isBad ? within(/\*\*What broke:\*\* \S/) : 3,
    'what to do': isBad ? within(/\*\*What to do:\*\* \S/) : 3,
  };
}

const REAL = path.join(ROOT, 'test/report/real');
const recorded = readdirSync(REAL)
  .filter((name) => name.endsWith('.json'))
  .map((name): [string, HostResult] => {
    const read = JSON.parse(readFileSync(path.join(REAL, name), 'utf8')) as unknown;
    const event = parseEvent({ type: 'end', result: read });
    if (event.type !== 'end') throw new Error('not a result');
    return [name, event.result];
  });

const APPS = { up: [2, 2], half: [2, 1], down: [2, 0] } as const;

/** Every way in which a deploy ends badly, with the app up, half up and down. */
const failing = STATES.flatMap((state) =>
  Object.entries(APPS).map(([how, [instances, online]]): [string, HostResult] => {
    const outcome =
      state === 'rollback-failed'
        ? 'rollback-failed'
        : state === 'verifying' || state === 'activating'
          ? 'rolled-back'
          : 'failed';
    return [
      `${state}, ${how}`,
      result({
        outcome,
        sha: PREVIOUS,
        previousRun: 'x',
        apps: [{ name: 'shop', instances, online, ended: 0 }],
        failure: failure({ state }),
      }),
    ];
  }),
);

test('each summary answers the four questions before anybody scrolls', () => {
  const all = [...recorded, ...failing];
  expect(all.length).toBeGreaterThan(41);
  const scored = all.map(([what, told]) => ({
    what,
    ...scoresOf(told, renderSummary(told, { ...FACTS, ref: told.target })),
  }));
  for (const question of QUESTIONS) {
    const mean = scored.reduce((sum, each) => sum + each[question], 0) / scored.length;
    const worst = scored.filter((each) => each[question] < 3).map(({ what }) => what);
    expect(mean, `${question}: ${worst.join('; ')}`).toBeGreaterThanOrEqual(2.8);
    expect(scored.filter((each) => each[question] < 2)).toEqual([]);
  }
});
