import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import {
  addToSummary,
  error,
  getState,
  saveState,
  setOutput,
  setSecret,
  startGroup,
  warning,
} from '../../src/report/workflow-commands.ts';
import { interpretLog, parseFileCommand } from '../rig/runner-log.ts';

const ODD = 'a: 50%, b%0A\r\nc::d %25';

afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
});

function printed(work: () => void): string {
  const chunks: string[] = [];
  vi.spyOn(process.stdout, 'write').mockImplementation((chunk) => {
    chunks.push(String(chunk));
    return true;
  });
  work();
  return chunks.join('');
}

test("GitHub's runner reads each command as it was meant", () => {
  const log = printed(() => {
    error(ODD, { title: ODD, file: 'a,b.js', startLine: 7 });
    warning('plain');
    warning('', { title: '' });
    setSecret(ODD);
    startGroup('build');
  });
  expect(interpretLog(log).map(({ name, properties, data }) => [name, properties, data])).toEqual([
    ['error', { title: ODD, file: 'a,b.js', line: '7' }, ODD],
    ['warning', {}, 'plain'],
    ['warning', {}, ''],
    ['add-mask', {}, ODD],
    ['group', {}, 'build'],
  ]);
});

test('outputs, state and summary arrive as they are, whatever is in them', () => {
  const directory = mkdtempSync(path.join(tmpdir(), 'workflow-commands-'));
  const files = ['GITHUB_OUTPUT', 'GITHUB_STATE', 'GITHUB_STEP_SUMMARY'].map((name) => {
    const file = path.join(directory, name);
    vi.stubEnv(name, file);
    return file;
  });
  const value = 'a=b\nx<<ghadelimiter_\n\n☃';
  setOutput('one', value);
  setOutput('two', '');
  saveState('id', value);
  addToSummary('# Done\n');
  addToSummary('more');
  const [outputs, state, summary] = files.map((file) => readFileSync(file, 'utf8'));
  expect(parseFileCommand(outputs ?? '')).toEqual({ one: value, two: '' });
  expect(parseFileCommand(state ?? '')).toEqual({ id: value });
  expect(summary).toBe('# Done\nmore');
  rmSync(directory, { recursive: true });
});

test('outside a workflow nothing is printed or written for a runner', () => {
  for (const name of ['GITHUB_OUTPUT', 'GITHUB_STATE', 'GITHUB_STEP_SUMMARY', 'STATE_id'])
    vi.stubEnv(name, undefined);
  expect(
    printed(() => {
      setOutput('one', 'x');
      saveState('id', 'x');
      addToSummary('x');
    }),
  ).toBe('');
  expect(getState('id')).toBe('');
});

test('what main has saved is there for post', () => {
  vi.stubEnv('STATE_deploy-id', 'x');
  expect(getState('deploy-id')).toBe('x');
});
