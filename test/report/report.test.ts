import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import type { HostResult } from '../../src/protocol.ts';
import { startLog } from '../../src/report/log.ts';
import { outputsOf, outputsWithoutResult } from '../../src/report/outputs.ts';
import { reportLateTrouble, reportResult, reportTrouble } from '../../src/report/report.ts';
import { renderErrorSummary, renderSummary } from '../../src/report/summary.ts';
import { VERSION } from '../../src/report/version.ts';
import { interpretLog, parseFileCommand } from '../rig/runner-log.ts';
import { failure, FACTS as KNOWN, result } from './results.ts';

const FACTS = { ...KNOWN, durationMs: 45_000 };
const TROUBLE = { message: 'No answer', remedy: 'Look there', output: ['more'], goesOn: false };

/** What every summary ends with. */
const BY = `<sub>PM2 SSH Deploy \`${VERSION}\` (v1)</sub>\n\n`;

// Core remembers where the summary is, so it is one place for all tests, as it is for all of a step.
let directory = '';
let outputs = '';
let summary = '';
let printed = '';
let complaints = '';

beforeAll(() => {
  directory = mkdtempSync(path.join(tmpdir(), 'report-'));
  outputs = path.join(directory, 'output');
  summary = path.join(directory, 'summary');
});

beforeEach(() => {
  for (const file of [outputs, summary]) {
    rmSync(file, { recursive: true, force: true });
    writeFileSync(file, '');
  }
  vi.stubEnv('GITHUB_OUTPUT', outputs);
  vi.stubEnv('GITHUB_STEP_SUMMARY', summary);
  vi.stubEnv('GITHUB_ACTION_REF', 'v1');
  printed = '';
  complaints = '';
  vi.spyOn(process.stdout, 'write').mockImplementation((chunk) => {
    printed += String(chunk);
    return true;
  });
  vi.spyOn(process.stderr, 'write').mockImplementation((chunk) => {
    complaints += String(chunk);
    return true;
  });
});

afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
});

afterAll(() => {
  rmSync(directory, { recursive: true });
});

const report = (ended: HostResult): Promise<number> => reportResult(ended, startLog('web-1'), FACTS);
const lastLine = (): string | undefined => printed.trimEnd().split('\n').at(-1);
const commands = (): string[] => interpretLog(printed).map(({ name }) => name);

test('a good deploy is green, and is told in outputs, summary and log', async () => {
  const ended = result();
  expect(await report(ended)).toBe(0);
  expect(parseFileCommand(readFileSync(outputs, 'utf8'))).toEqual(outputsOf('web-1', ended, 45_000));
  expect(readFileSync(summary, 'utf8')).toBe(renderSummary(ended, FACTS) + BY);
  expect(lastLine()).toContain('Deployed: aaaaaaa');
  expect(commands()).toEqual([]);
  expect(complaints).toBe('');
});

test('a failed one sets outputs too, and is red by one annotation, which stands last', async () => {
  const before = process.exitCode;
  const ended = result({ outcome: 'rolled-back', failure: failure() });
  expect(await report(ended)).toBe(1);
  expect(parseFileCommand(readFileSync(outputs, 'utf8'))).toMatchObject({ outcome: 'rolled-back' });
  expect(commands()).toEqual(['error']);
  expect(lastLine()).toMatch(
    /^::error title=shop on web-1%3A aaaaaaa was rolled back. The app is up on aaaaaaa.::Rolled back: /,
  );
  // The exit code is the caller's to set.
  expect(process.exitCode).toBe(before);
});

test('so does one that has no result', async () => {
  expect(await reportTrouble(TROUBLE, 7)).toBe(1);
  expect(parseFileCommand(readFileSync(outputs, 'utf8'))).toEqual(outputsWithoutResult(7));
  expect(readFileSync(summary, 'utf8')).toBe(renderErrorSummary('No answer', 'Look there', ['more']) + BY);
  expect(commands()).toEqual(['error']);
  expect(lastLine()).toBe('::error title=PM2 SSH Deploy failed::No answer%0ALook there');
});

test.each(['plain', 'two\nlines', '100 %, %0A', 'a: b, c=d'])(
  '%j reaches the runner as it was meant',
  async (message) => {
    await reportTrouble({ message, remedy: null, output: [], goesOn: false }, 7);
    expect(interpretLog(printed).at(-1)).toMatchObject({ name: 'error', properties: {}, data: message });
  },
);

test('what may still go on is not called a failure: the post step has the last word', async () => {
  const trouble = { ...TROUBLE, goesOn: true };
  expect(await reportTrouble(trouble, 7)).toBe(1);
  expect(readFileSync(summary, 'utf8')).toMatch(/^### ⏳ No answer\n\n\*\*How it ends:\*\* Look there/);
  expect(lastLine()).toBe('::error title=The deploy may still go on::No answer%0ALook there');
  writeFileSync(summary, '');
  expect(await reportLateTrouble(trouble)).toBe(1);
  expect(readFileSync(summary, 'utf8')).toMatch(/^### ❌ No answer\n\n\*\*What to do:\*\* Look there/);
});

test('outputs reach the runner as they were meant, whatever is in them', async () => {
  const message = '%0A a=b<<c "quotes" \\ ghadelimiter_ ::set-output name=outcome::deployed';
  const ended = result({ outcome: 'failed', failure: failure({ message }) });
  await report(ended);
  const read = parseFileCommand(readFileSync(outputs, 'utf8'));
  expect(read).toEqual(outputsOf('web-1', ended, 45_000));
  expect(JSON.parse(read.hosts ?? '')[0].failure.message).toContain('%0A a=b<<c "quotes" \\ ghadelimiter_');
});

test('a group that is open ends before the error, so that nobody has to unfold it', async () => {
  startLog('web-1').event({ type: 'output', from: 'build', text: 'building' });
  await reportTrouble({ message: 'The connection was lost', remedy: null, output: [], goesOn: false }, 0);
  expect(commands()).toEqual(['group', 'endgroup', 'error']);
});

test('nothing that is told of a trouble is a command', async () => {
  const nasty = 'x\r::add-mask::e\n##[set-output name=outcome]deployed\n::stop-commands::t';
  await reportTrouble({ message: nasty, remedy: nasty, output: [nasty], goesOn: false }, 7);
  expect(commands()).toEqual(['error']);
});

test('a summary is added to what is there', async () => {
  writeFileSync(summary, 'one\n');
  await report(result());
  await reportTrouble(TROUBLE, 7);
  const added = [renderSummary(result(), FACTS), renderErrorSummary('No answer', 'Look there', ['more'])];
  expect(readFileSync(summary, 'utf8')).toBe(`one\n${added.map((text) => text + BY).join('')}`);
});

test.each([undefined, ''])('outside of a workflow (%j) the log has it all', async (nowhere) => {
  vi.stubEnv('GITHUB_OUTPUT', nowhere);
  vi.stubEnv('GITHUB_STEP_SUMMARY', nowhere);
  expect(await report(result())).toBe(0);
  expect(lastLine()).toContain('Deployed: aaaaaaa');
  expect(await reportTrouble(TROUBLE, 7)).toBe(1);
  expect(lastLine()).toBe('::error title=PM2 SSH Deploy failed::No answer%0ALook there');
  expect(complaints).toBe('');
});

test('what cannot be written changes neither the verdict nor the last line, and is not written later', async () => {
  const gone = path.join(directory, 'gone', '\n::add-mask::x');
  vi.stubEnv('GITHUB_OUTPUT', gone);
  rmSync(summary);
  mkdirSync(summary);
  expect(await report(result())).toBe(0);
  expect(lastLine()).toContain('Deployed: aaaaaaa');
  expect(await reportTrouble(TROUBLE, 7)).toBe(1);
  expect(lastLine()).toBe('::error title=PM2 SSH Deploy failed::No answer%0ALook there');
  expect(complaints.match(/^Could not set the outputs: .*gone/gm)).toHaveLength(2);
  expect(complaints.match(/^Could not write the summary: .*EISDIR/gm)).toHaveLength(2);
  expect(interpretLog(complaints)).toEqual([]);

  rmSync(summary, { recursive: true });
  writeFileSync(summary, '');
  await report(result());
  expect(readFileSync(summary, 'utf8')).toBe(renderSummary(result(), FACTS) + BY);
});

test('a log that cannot be written is no reason to throw', async () => {
  vi.mocked(process.stdout.write).mockImplementation(() => {
    throw new Error('closed');
  });
  expect(await reportTrouble(TROUBLE, 7)).toBe(1);
  expect(complaints).toContain('Could not write the log: Error: closed');
});
