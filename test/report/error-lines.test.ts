import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { errorLines } from '../../src/report/error-lines.ts';
import { ROOT } from '../rig/places.ts';

/** What real commands printed. */
const printed = (name: string): string[] =>
  readFileSync(path.join(ROOT, 'test/fixtures/build-output', `${name}.txt`), 'utf8').split('\n');

test.each<[string, string[]]>([
  ['npm-missing', ['npm error Missing: left-pad@1.3.0 from lock file']],
  ['npm-etarget', ['npm error notarget No matching version found for left-pad@99.0.0.']],
  ['missing-script', ['npm error Missing script: "biuld"']],
  ['not-found', ['sh: 1: nope: not found']],
  ['enospc', ['Error: ENOSPC: no space left on device, write']],
  ['oom', ['FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory']],
  [
    'cannot-find-module',
    ["Error: Cannot find module 'express'", '    at Object.<anonymous> (/home/deploy/shop/boot.js:1:1)'],
  ],
  ['syntax', ["SyntaxError: Unexpected token ';'"]],
  ['vite', ["[UNRESOLVED_IMPORT] Could not resolve './gone.js' in main.js", '   ╭─[ main.js:1:15 ]']],
  [
    'webpack',
    [
      'ERROR in ./src/index.js 1:0-26',
      "Module not found: Error: Can't resolve './gone.js' in '/home/deploy/shop/src'",
      'ERROR in ./src/index.js 1:27-53',
      "Module not found: Error: Can't resolve 'lodash-es' in '/home/deploy/shop/src'",
    ],
  ],
])('of %s the lines are shown that say what is wrong', (name, lines) => {
  expect(errorLines(printed(name))).toEqual({ lines, more: 0 });
});

test.each(['tsc', 'tsc-pretty'])(
  'of many errors (%s) the first are shown, and the rest is counted',
  (name) => {
    const { lines, more } = errorLines(printed(name));
    expect(lines).toHaveLength(3);
    expect(lines[0]).toMatch(/^src\/orders\/orders\.controller\.ts.2.*error TS2322: Type 'number' is not/);
    expect(more).toBe(2);
  },
);

test('what repeats is shown once; without an error they are the last lines', () => {
  const twice = ['Error: boom', '    at x (app.js:1)', 'Error: boom', '    at x (app.js:1)'];
  expect(errorLines(twice)).toEqual({ lines: ['Error: boom', '    at x (app.js:1)'], more: 0 });
  expect(errorLines(['1', '2', '', '3', '4', '5', '6', ''])).toEqual({
    lines: ['2', '3', '4', '5', '6'],
    more: 0,
  });
  expect(errorLines([])).toEqual({ lines: [], more: 0 });
});

test('a text of thousands of long lines takes no time', () => {
  const before = performance.now();
  errorLines(Array.from({ length: 500 }, () => `[${'A'.repeat(8_000)}`));
  errorLines(Array.from({ length: 500 }, () => ' '.repeat(8_000)));
  expect(performance.now() - before).toBeLessThan(2_000);
});
