import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { ROOT } from './places.ts';

const rig = (name: string): string => JSON.stringify(path.join(ROOT, 'test/rig', name));

test('a failed test, or a failed hook, shows the end of the log of each action that it ran', async () => {
  const directory = mkdtempSync(path.join(tmpdir(), 'failed-'));
  const write = (name: string, text: string): void => writeFileSync(path.join(directory, name), text);
  write('step.mjs', 'console.log("::add-mask::secret\\nhello from", process.env.INPUT_WHO)');
  write(
    'vitest.config.mjs',
    `export default { test: { globals: true, setupFiles: [${rig('failed-tests.ts')}] } };`,
  );
  write(
    'some.test.js',
    `import { runAction } from ${rig('action.ts')};
     const run = (who) => runAction({ inputs: { who }, script: ${JSON.stringify(path.join(directory, 'step.mjs'))} });
     test('good', () => run('a good test'));
     test('bad', async () => expect(await run('a bad test')).toMatchObject({ code: 2 }));
     describe('group', () => {
       beforeAll(async () => { await run('a bad hook'); throw new Error('no'); });
       test('never runs', () => {});
     });`,
  );
  const vitest = path.join(ROOT, 'node_modules/vitest/vitest.mjs');
  const { stderr } = await promisify(execFile)(process.execPath, [vitest, 'run', '--root', directory]).catch(
    (error: { stderr: string }) => error,
  );
  expect(stderr.match(/\| hello from .*/g)).toEqual(['| hello from a bad test', '| hello from a bad hook']);
  expect(stderr).not.toContain('secret');
  rmSync(directory, { recursive: true });
});
