import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { type ActionOptions, type ActionRun, runAction, startAction } from './action.ts';

const directories: string[] = [];
afterEach(() => {
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true });
});

/** A stand-in for the action: the rig is what is tested here. */
function script(source: string): string {
  const directory = mkdtempSync(path.join(tmpdir(), 'script-'));
  directories.push(directory);
  const file = path.join(directory, 'step.mjs');
  writeFileSync(file, `import fs from 'node:fs';\n${source}`);
  return file;
}

function run(source: string, options: Partial<ActionOptions> = {}): Promise<ActionRun> {
  return runAction({ inputs: {}, ...options, script: script(source) });
}

test('inputs, their defaults and the context arrive as a runner hands them over', async () => {
  const { stdout, code } = await run('console.log(JSON.stringify(process.env))', {
    inputs: { 'known-hosts': 'a\nb', 'a typo': 'x' },
    env: { GITHUB_SHA: 'abc' },
  });
  expect(code).toBe(0);
  const env = JSON.parse(stdout) as Record<string, string>;
  expect(env).toMatchObject({
    'INPUT_KNOWN-HOSTS': 'a\nb',
    INPUT_A_TYPO: 'x',
    INPUT_PORT: '22',
    'INPUT_HOST-KEY-CHECK': 'strict',
    INPUT_KEY: '',
    GITHUB_SHA: 'abc',
    GITHUB_ACTIONS: 'true',
    GITHUB_RUN_ATTEMPT: '1',
  });
  // Nothing of whoever runs the tests comes along.
  expect(Object.keys(env).filter((name) => /^(?:npm_|VITEST|NODE_)/.test(name))).toEqual([]);
});

test('the event is a file, and the exit code, both streams and the files come back', async () => {
  const result = await run(
    `console.log(JSON.parse(fs.readFileSync(process.env.GITHUB_EVENT_PATH)).action, process.env.GITHUB_EVENT_NAME);
console.error('to stderr');
const add = (name, text) => fs.appendFileSync(process.env['GITHUB_' + name], text);
add('OUTPUT', 'a=1\\nb<<E\\nx\\ny\\nE\\n');
add('STEP_SUMMARY', '## Done\\n');
add('ENV', 'c=2\\n');
add('STATE', 'd=3\\n');
add('PATH', '/opt/x\\n');
process.exitCode = 3;`,
    { event: { name: 'workflow_run', payload: { action: 'completed' } } },
  );
  expect(result).toMatchObject({
    code: 3,
    stdout: 'completed workflow_run\n',
    stderr: 'to stderr\n',
    outputs: { a: '1', b: 'x\ny' },
    summary: '## Done\n',
    exported: { env: { c: '2' }, state: { d: '3' }, path: ['/opt/x'] },
  });
});

test('commands in both streams count, and a masked output is known to be lost', async () => {
  const result = await run(
    `console.log('::set-output name=outcome::deployed\\n::add-mask::secret');
console.error('app | ##[set-output name=host]a-secret-host');`,
  );
  expect(result.outputs).toEqual({ outcome: 'deployed', host: 'a-secret-host' });
  expect(result.droppedOutputs).toEqual(['host']);
  expect(result.commands.map((command) => command.name)).toEqual(['set-output', 'add-mask', 'set-output']);
});

test('a summary that the runner would drop is empty', async () => {
  const write = (bytes: number): string =>
    `fs.writeFileSync(process.env.GITHUB_STEP_SUMMARY, 'x'.repeat(${bytes}))`;
  expect((await run(write(1024 * 1024))).summary).toHaveLength(1024 * 1024);
  expect((await run(write(1024 * 1024 + 1))).summary).toBe('');
});

test('a started step says a line, and can then be ended by a signal', async () => {
  const started = startAction({
    inputs: {},
    script: script("console.log('up'); setInterval(() => {}, 1000);"),
  });
  await started.says(/^up$/m);
  expect(started.log()).toBe('up\n');
  // What it has said already counts.
  await started.says(/up/);
  const never = started.says(/down/);
  started.process.kill('SIGTERM');
  expect((await started.done).code).toBe(null);
  await expect(never).rejects.toThrow('The action ended before its log had /down/.');
});
