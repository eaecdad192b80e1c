import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Event, HostResult, State } from '../../src/protocol.ts';
import { isGood, startLog } from '../../src/report/log.ts';
import { leaveGroup } from '../../src/report/log-group.ts';
import { somePlan } from '../rig/plan.ts';
import { interpretLog } from '../rig/runner-log.ts';
import { failure, result } from './results.ts';

const PLAN = somePlan({ stableFor: 10_000 });
const TITLE = 'shop on web-1: it failed';
let printed = '';

beforeEach(() => {
  printed = '';
  vi.spyOn(process.stdout, 'write').mockImplementation((chunk) => {
    printed += String(chunk);
    return true;
  });
});

afterEach(() => {
  leaveGroup();
  vi.restoreAllMocks();
});

const EVENTS: Event[] = [
  { type: 'state', state: 'preflight', atMs: 0 },
  { type: 'notice', level: 'info', text: 'PM2 5.4.3 runs 2 apps' },
  { type: 'state', state: 'staged', atMs: 900 },
  { type: 'output', from: 'install', text: 'added 3 packages' },
  { type: 'output', from: 'install', text: 'done' },
  { type: 'output', from: 'build', text: 'built' },
  { type: 'notice', level: 'warning', text: 'disk is nearly full' },
  { type: 'state', state: 'verifying', atMs: 2_000 },
  { type: 'state', state: 'committed', atMs: 12_100 },
  { type: 'end', result: result() },
];

test('a good deploy reads as its states, with what commands printed folded between them', () => {
  let time = 0;
  const log = startLog('web-1', PLAN, () => time);
  log.say('Deploying main');
  for (const event of EVENTS) {
    time += 500;
    log.event(event);
  }
  log.finish(result({ requests: { sent: 132, failed: 0, downtimeMs: 0 } }), TITLE);
  expect(printed.split('\n')).toEqual([
    '[    0ms] Deploying main',
    '[  500ms] preflight        looking at the server: Node, git, PM2, the app',
    '[   1.0s] PM2 5.4.3 runs 2 apps',
    '[   1.5s] preflight        ok, 900ms',
    '[   1.5s] staged           installing and building beside the live app, which is not touched',
    '::group::install on web-1',
    '  web-1 | added 3 packages',
    '  web-1 | done',
    '::endgroup::',
    '::group::build on web-1',
    '  web-1 | built',
    '::endgroup::',
    '::warning title=Deploy to web-1::web-1: disk is nearly full',
    '[   4.0s] staged           ok, 1.1s',
    '[   4.0s] verifying        watching the new version',
    '[   4.5s] verifying        ok: healthy for 10.0s, 10.1s',
    '[   4.5s] committed        done: the new version stays',
    '[   5.0s] 0 of 132 requests to the health URL failed.',
    '[   5.0s] Deployed: aaaaaaa runs on all 2 instances, healthy.',
    '',
  ]);
});

test.each([
  [{}, 'fetching the commit'],
  [{ source: { kind: 'upload', builtFrom: 'b'.repeat(40) } }, 'taking in the files of the job'],
  [{ mode: 'rollback' }, 'finding the version to go back to'],
] as const)('where the version comes from is told as it is: %j', (changes, words) => {
  startLog('web-1', somePlan(changes)).event({ type: 'state', state: 'fetched', atMs: 0 });
  expect(printed).toContain(`fetched          ${words}`);
});

test('advice stands at the line of the file that it is about', () => {
  const where = { file: 'ecosystem.config.js', line: 4 };
  startLog('web-1').event({ type: 'notice', level: 'warning', text: 'set this', where });
  expect(printed).toBe('::warning title=Deploy to web-1,file=ecosystem.config.js,line=4::web-1: set this\n');
});

test('a state that failed is said to have, whether the deploy then goes back or ends', () => {
  const states = (events: Event[]): string[] => {
    printed = '';
    const log = startLog('web-1', PLAN);
    for (const event of events) log.event(event);
    return [...printed.matchAll(/\] (\S+ +(?:ok|FAILED).*)/g)].map(([, line = '']) =>
      line.replace(/ +/g, ' '),
    );
  };
  const ended = (state: State, given: Partial<HostResult>): Event => ({
    type: 'end',
    result: result({ failure: failure({ state }), durationMs: 9_000, ...given }),
  });
  const entered = (state: State, atMs: number): Event => ({ type: 'state', state, atMs });
  expect(states([entered('canary', 1_000), ended('canary', { outcome: 'failed' })])).toEqual([
    'canary FAILED after 8.0s',
  ]);
  const back = [entered('verifying', 1_000), entered('rolling-back', 1_800)];
  expect(
    states([...back, entered('rolled-back', 8_000), ended('verifying', { outcome: 'rolled-back' })]),
  ).toEqual(['verifying FAILED after 800ms', 'rolling-back ok, 6.2s']);
  expect(
    states([...back, entered('rollback-failed', 8_000), ended('verifying', { outcome: 'rollback-failed' })]),
  ).toEqual(['verifying FAILED after 800ms', 'rolling-back FAILED after 6.2s']);
  // A program that took over from a killed one counts from its own start.
  expect(states([entered('verifying', 5_000), entered('committed', 10)])).toEqual([
    'verifying ok: healthy for 10.0s',
  ]);
});

test('after a failure the reasons stand last, and the very last is one sentence with what to do', () => {
  const log = startLog('web-1');
  log.event({ type: 'output', from: 'pm2', text: 'reloading' });
  const ended = result({ outcome: 'rolled-back', failure: failure() });
  log.finish(ended, TITLE);
  expect(isGood(ended)).toBe(false);
  const lines = printed.trimEnd().split('\n');
  expect(lines.slice(lines.indexOf('::endgroup::') + 1)).toEqual([
    '',
    'Last lines of the failed step:',
    '  web-1 | one',
    '  web-1 | two',
    '',
    "Last lines of the error log of 'shop', the new version:",
    '  web-1 | Error: boom',
    '::error title=shop on web-1%3A it failed::Rolled back: The new version crashed. The old version (aaaaaaa) runs on all 2 instances. It printed: Error: boom Mend it and push.',
  ]);
});

test('nothing that a host says is a command or looks like a line of ours', () => {
  const nasty = 'x\r::add-mask::e\n##[set-output name=outcome]deployed\n::stop-commands::t\n\u2028::error::x';
  const log = startLog('web-1');
  log.event({ type: 'notice', level: 'info', text: nasty });
  log.event({ type: 'notice', level: 'warning', text: nasty });
  log.event({ type: 'output', from: 'build', text: nasty });
  log.event({ type: 'output', from: `pm2\n${nasty}` as 'pm2', text: nasty });
  log.finish(
    result({
      outcome: 'failed',
      failure: failure({
        message: nasty,
        remedy: nasty,
        output: [nasty],
        appLogs: [{ app: nasty, version: 'new', lines: [nasty] }],
      }),
    }),
    TITLE,
  );
  const names = interpretLog(printed).map((command) => command.name);
  expect(names).toEqual(['warning', 'group', 'endgroup', 'group', 'endgroup', 'error']);
});

test('of no kind of event the log takes more than is bounded, and it says what was left out', () => {
  const log = startLog('web-1');
  const many = 30_000;
  for (let count = 0; count < many; count++) {
    log.event({ type: 'state', state: 'staged', atMs: 0 });
    log.event({ type: 'notice', level: 'info', text: 'x'.repeat(8_000) });
    log.event({ type: 'notice', level: 'warning', text: 'y'.repeat(8_000) });
    log.event({ type: 'output', from: count % 2 === 0 ? 'build' : 'pm2', text: 'z'.repeat(2_000) });
  }
  log.finish(result(), TITLE);
  expect(printed.length).toBeLessThan(6_500_000);
  const lines = printed.split('\n');
  expect(lines.filter((line) => line.startsWith('::warning '))).toHaveLength(100);
  expect(lines.filter((line) => /staged +installing/.test(line))).toHaveLength(200);
  for (const kind of ['states', 'notices', 'warnings', 'lines of output'])
    expect(lines.filter((line) => line.includes(`(too many ${kind} for this log`))).toHaveLength(1);
  const leftOut = lines.find((line) => line.includes('Left out of this log:'));
  for (const counted of ['29800 states', '29000 notices', '29900 warnings', 'lines of output'])
    expect(leftOut).toContain(counted);
  expect(printed.match(/::group::/g)?.length).toBe(printed.match(/::endgroup::/g)?.length);
});

test('a text of millions of characters takes no time', () => {
  const log = startLog('web-1');
  const before = performance.now();
  for (const unit of ['\u001b]', '\u001b', ' ', 'a\r', '#', '\u200b'])
    log.say(unit.repeat(7_000_000 / unit.length));
  expect(performance.now() - before).toBeLessThan(5_000);
});
