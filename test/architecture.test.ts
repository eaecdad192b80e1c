import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { DEFAULTS } from '../src/inputs/names.ts';
import { DEPLOYMENT_OUTPUT } from '../src/report/deployment.ts';
import { outputsWithoutResult } from '../src/report/outputs.ts';
import { ROOT } from './rig/places.ts';
import { breaches, differences, sharedLines } from './rig/source-rules.ts';

const read = (file: string): string => readFileSync(path.join(ROOT, file), 'utf8');
const filesBelow = (directory: string, extension: string): string[] =>
  readdirSync(path.join(ROOT, directory), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith(extension))
    .map((name) => `${directory}/${name}`);

const manifest = parse(read('action.yml')) as {
  inputs: Record<string, { default?: unknown; description?: string }>;
  outputs: Record<string, { description?: string }>;
  runs: { using: string; main: string; post: string };
};

test('the sources keep the rules of their layout', () => {
  const sources = new Map(filesBelow('src', '.ts').map((file) => [file, read(file)]));
  expect(sources.size).toBeGreaterThan(20);
  expect(breaches(sources)).toEqual([]);
});

test.each<[string, Record<string, string>, string]>([
  [
    'the host program imports the runner',
    { 'src/host/main.ts': "import type { B } from '../runner/session/b.ts';" },
    'host/',
  ],
  [
    'the host program imports a package',
    { 'src/host/main.ts': "import {\n  x,\n} from 'ssh2';" },
    "Node's own",
  ],
  [
    'the host program loads a package',
    { 'src/host/main.ts': "const x = await import('ssh2');" },
    "Node's own",
  ],
  [
    'the runner imports the report',
    { 'src/runner/session/b.ts': "import { l } from '../../report/log.ts';" },
    'each other',
  ],
  [
    'the report imports the runner',
    { 'src/report/log.ts': "import { b } from '../runner/session/b.ts';" },
    'each other',
  ],
  [
    'core in the runner',
    { 'src/runner/session/b.ts': "import * as core from '@actions/core';" },
    '@actions/core',
  ],
  ['node-ssh elsewhere', { 'src/runner/session/b.ts': "import { NodeSSH } from 'node-ssh';" }, 'node-ssh'],
  [
    'github elsewhere',
    { 'src/report/log.ts': "import { x } from '@actions/github/lib/utils';" },
    'deployment',
  ],
  ['PM2 in the action', { 'src/main.ts': "import pm2 from 'pm2';" }, 'PM2'],
  ["PM2's parts in the action", { 'src/main.ts': "import x from '@pm2/io';" }, 'PM2'],
  [
    'a cycle of two',
    { 'src/report/log.ts': "import './b.ts';", 'src/report/b.ts': "import './log.ts';" },
    'a cycle',
  ],
  ['a barrel', { 'src/report/all.ts': "export { b } from './b.ts';", 'src/report/b.ts': '' }, 'passes on'],
  ['a star', { 'src/report/all.ts': "export * from './b.ts';", 'src/report/b.ts': '' }, 'passes on'],
  [
    'a room imports one above it',
    { 'src/host/git/a.ts': "import { b } from '../state/b.ts';", 'src/host/state/b.ts': '' },
    'git is not above state',
  ],
  [
    'a room imports one beside it',
    { 'src/host/swap/a.ts': "import { b } from '../pm2/b.ts';", 'src/host/pm2/b.ts': '' },
    'swap is not above pm2',
  ],
  [
    'a room of a low floor sees the context',
    {
      'src/host/state/a.ts': "import type { Context } from '../context.ts';",
      'src/host/context.ts': '',
    },
    'state is not above context.ts',
  ],
  [
    'a room of the runner imports one above it',
    { 'src/runner/keys/a.ts': "import { b } from '../session/b.ts';" },
    'keys is not above session',
  ],
  ['a file beside the rooms', { 'src/host/other.ts': '' }, 'in no room'],
  ['a room that nobody knows', { 'src/runner/attic/a.ts': '' }, 'in no room'],
  ['two files of one name', { 'src/host/git/log.ts': '' }, 'has the name of src/host/git/log.ts'],
  ['an index', { 'src/report/index.ts': '' }, 'its name'],
  ['a drawer for everything', { 'src/utils/time.ts': '' }, 'its name'],
  ['a default export', { 'src/main.ts': 'export default 1;' }, 'default'],
])('found: %s', (_what, files, expected) => {
  const target = { 'src/runner/session/b.ts': '', 'src/report/log.ts': '' };
  const found = breaches(new Map(Object.entries({ ...target, ...files })));
  expect(found.length).toBeGreaterThan(0);
  expect(found.join('\n')).toContain(expected);
});

test('what the rules allow is no breach', () => {
  const allowed = {
    'src/host/system/a.ts':
      "import fs from 'node:fs';\nimport type { Plan } from '../../protocol.ts';\n// not import('x')",
    'src/protocol.ts': '',
    'src/main.ts':
      "import { setFailed } from '@actions/core';\nimport { b } from './runner/connection/ssh.ts';\nexport { b } from './runner/connection/ssh.ts';",
    'src/runner/connection/ssh.ts': "import { NodeSSH } from 'node-ssh';",
    'src/report/log.ts': "import { info } from '@actions/core';\nexport const a = 'from here';",
  };
  expect(breaches(new Map(Object.entries(allowed)))).toEqual([]);
});

test('action.yml and the sources name the same inputs, with the same defaults', () => {
  expect(
    differences('action.yml', Object.keys(manifest.inputs), 'src/inputs', Object.keys(DEFAULTS)),
  ).toEqual([]);
  const defaults = Object.entries(manifest.inputs).map(([name, input]) => [
    name,
    String(input.default ?? ''),
  ]);
  expect(Object.fromEntries(defaults)).toEqual(DEFAULTS);
  // Each is read, not only listed.
  const reader = read('src/inputs.ts');
  expect(Object.keys(DEFAULTS).filter((name) => !reader.includes(`'${name}'`))).toEqual([]);
});

test('action.yml and the sources name the same outputs', () => {
  const set = [...Object.keys(outputsWithoutResult(0)), DEPLOYMENT_OUTPUT];
  expect(differences('action.yml', Object.keys(manifest.outputs), 'src/report/outputs.ts', set)).toEqual([]);
});

test('a name on one side alone is a difference', () => {
  expect(differences('a', ['x', 'y'], 'b', ['y', 'z'])).toEqual([
    'x: is in a, not in b',
    'z: is in b, not in a',
  ]);
});

test('action.yml runs the committed bundle, and describes all that it offers', () => {
  expect(manifest.runs).toMatchObject({ using: 'node24', main: 'dist/index.js', post: 'dist/post.js' });
  const offered = [...Object.entries(manifest.inputs), ...Object.entries(manifest.outputs)];
  expect(offered.filter(([, { description }]) => !description).map(([name]) => name)).toEqual([]);
});

/** JavaScript engines' own message, which a JSON parser for PM2 and another one for octokit both repeat. */
const WORDS_OF_JAVASCRIPT = 'throw new TypeError("Converting circular structure to JSON");';

test("nothing of PM2's code is in what is shipped", () => {
  const pm2 = filesBelow('node_modules/pm2/lib', '.js').map(read).join('\n');
  for (const program of ['dist/index.js', 'dist/post.js', 'dist/host.js', 'dist/follower.js'])
    expect(sharedLines(read(program), pm2).filter((line) => line !== WORDS_OF_JAVASCRIPT)).toEqual([]);
  expect(read('dist/licenses.txt')).not.toMatch(/^@?pm2(?:\/|$)|AFFERO|AGPL/im);
  const part = read('node_modules/pm2/lib/God/Reload.js');
  expect(sharedLines(`// bundled\n${part}`, pm2).length).toBeGreaterThan(0);
});
