import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { INPUT_NAMES } from '../src/inputs/names.ts';

const README = readFileSync('README.md', 'utf8');

test('the tables of inputs and outputs are those of action.yml', () => {
  execFileSync(process.execPath, ['scripts/readme.mjs', '--check']);
});

test('its workflows are valid, and give no input that there is not', () => {
  const workflows = [...README.matchAll(/```yaml\n(.*?)```/gs)].map(([, text]) => text ?? '');
  expect(workflows.length).toBeGreaterThan(1);
  for (const text of workflows) {
    const { jobs } = parse(text) as { jobs: Record<string, { steps: { with?: Record<string, unknown> }[] }> };
    const given = Object.values(jobs).flatMap(({ steps }) =>
      steps.flatMap((step) => Object.keys(step.with ?? {})),
    );
    expect(given.length).toBeGreaterThan(0);
    expect(given.filter((name) => !(INPUT_NAMES as string[]).includes(name))).toEqual([]);
  }
});

test('its links lead to something', () => {
  const links = [...README.matchAll(/\]\((?!https?:)([^)#]+)(?:#([^)]+))?\)/g)];
  expect(links.length).toBeGreaterThan(3);
  for (const [, file = '', anchor] of links) {
    const headings = [...readFileSync(file, 'utf8').matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
      heading
        .toLowerCase()
        .replace(/[^\w -]/g, '')
        .replaceAll(' ', '-'),
    );
    if (anchor !== undefined) expect(headings).toContain(anchor);
  }
});

test('its JavaScript can be read', () => {
  for (const [, code] of README.matchAll(/```js\n(.*?)```/gs))
    expect(() => new Function(code ?? '')).not.toThrow();
});
