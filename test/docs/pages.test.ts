import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { STATES } from '../../src/protocol.ts';
import { STATE_WORDS } from '../../src/report/words.ts';
import { ROOT } from '../rig/places.ts';
import { codeBlocks, faultsOf } from './page-rules.ts';

const files = [
  ...readdirSync(ROOT).filter((name) => name.endsWith('.md')),
  ...readdirSync(path.join(ROOT, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
  'examples/README.md',
];
const pages = new Map(files.map((file) => [file, readFileSync(path.join(ROOT, file), 'utf8')]));

test('in every page links lead somewhere, and workflows and scripts are valid', () => {
  expect(files.length).toBeGreaterThan(15);
  expect([...pages.values()].flatMap((text) => codeBlocks(text, 'yaml')).length).toBeGreaterThan(4);
  expect(faultsOf(pages, (file) => existsSync(path.join(ROOT, file)))).toEqual([]);
});

test('every page of docs/ can be reached from README', () => {
  const linked = new Set(['README.md']);
  for (const file of linked) {
    for (const [, to = ''] of (pages.get(file) ?? '').matchAll(/\]\(([^)#\s]+\.md)/g))
      linked.add(path.posix.join(path.posix.dirname(file), to));
  }
  expect(files.filter((file) => file.startsWith('docs/') && !linked.has(file))).toEqual([]);
});

test('a log that a page shows says of each state what the log says', () => {
  const states = [...pages.values()].flatMap((text) => [
    ...text.matchAll(/^\[ *[\d.]+m?s\] ([a-z-]+) {2,}(.+)$/gm),
  ]);
  expect(states.length).toBeGreaterThan(5);
  for (const [line, state = '', words = ''] of states)
    if (!/^(ok|FAILED)\b/.test(words)) expect(words, line).toBe(Reflect.get(STATE_WORDS, state));
});

test('CONTRIBUTING leads from every room of the sources, and from every state, to its files', () => {
  const rows = (pages.get('CONTRIBUTING.md') ?? '').split('\n').filter((line) => line.startsWith('| `'));
  const named = new Set(
    rows.flatMap((row) => [...(row.split(' | ')[0] ?? '').matchAll(/`([^`]+)`/g)].map(([, name]) => name)),
  );
  const rooms = readdirSync(path.join(ROOT, 'src/host'), { withFileTypes: true }).filter((entry) =>
    entry.isDirectory(),
  );
  expect([...rooms.map(({ name }) => `${name}/`), ...STATES].filter((name) => !named.has(name))).toEqual([]);
});

const STEP = `      - uses: OWNER/pm2-ssh-deploy@v1
        with: { host: a, path: b }`;
const workflow = (top: string, job = '', step = STEP): string =>
  `\`\`\`yaml\n${top}\njobs:\n  deploy:\n    ${job}\n    steps:\n${step}\n\`\`\`\n`;

test.each<[string, string, string]>([
  ['a link to a missing page', '[x](gone.md)', 'leads to no file'],
  ['a link to a missing heading', '# Here\n[x](#there)', 'leads to no heading'],
  [
    'a link to a missing heading of another page',
    '[x](other.md#there)',
    'leads to no heading of docs/other.md',
  ],
  ['YAML that is none', '```yaml\na: b: c\n```\n', 'cannot be parsed'],
  [
    'an input that there is not',
    workflow('', 'permissions: { contents: read }', STEP.replace('path', 'patth')),
    "'patth'",
  ],
  ['a required input that is missing', '```yaml\n- uses: OWNER/pm2-ssh-deploy@v1\n```\n', "lacks 'host'"],
  ['no permissions at all', workflow(''), 'contents: read'],
  ['empty permissions', workflow('permissions: {}'), 'contents: read'],
  [
    'a job without the permission',
    workflow('permissions: { contents: read }', 'permissions: {}'),
    'contents: read',
  ],
  ['a chosen mode', workflow('permissions: {}', '', STEP.replace('b }', 'b, mode: chosen }')), 'contents'],
  ['a script that is none', '```js\nconst = 1;\n```\n', 'JavaScript'],
])('found: %s', (_what, text, expected) => {
  const found = faultsOf(
    new Map([
      ['docs/page.md', text],
      ['docs/other.md', '# Other'],
    ]),
    () => false,
  );
  expect(found.join('\n')).toContain(expected);
});

test.each<[string, string]>([
  [
    'headings',
    '# A `code`, and more\n[x](#a-code-and-more) [y](other.md#other) [z](https://example.com/#no)',
  ],
  ['a heading that comes twice', '## Same\n## Same\n[x](#same-1)'],
  ['code is no link', '`[x](gone.md)`\n```md\n[x](gone.md)\n```\n'],
  ['a status needs no permission', workflow('permissions: {}', '', STEP.replace('b }', 'b, mode: status }'))],
  ['the permission of the job', workflow('permissions: {}', 'permissions: { contents: read }')],
])('allowed: %s', (_what, text) => {
  const two = new Map([
    ['docs/page.md', text],
    ['docs/other.md', '# Other'],
  ]);
  expect(faultsOf(two, () => false)).toEqual([]);
});
