import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';

test('the tables of inputs and outputs in docs/inputs.md are those of action.yml', () => {
  expect(() => execFileSync(process.execPath, ['scripts/readme.mjs', '--check'])).not.toThrow();
});
