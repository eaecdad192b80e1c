import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { lineNaming, lineOfApp } from '../../../src/host/build/ecosystem-line.ts';

test.each([
  ['a JavaScript file', "module.exports = {\n  apps: [\n    { name: 'api' },\n    { name: 'web' },\n", 4],
  ['JSON', '{\n"apps": [{\n"name": "web",\n', 3],
  ['YAML', 'apps:\n  - name: webapp\n  - name: web\n', 3],
  ['a file that makes its names up', 'module.exports = make();\n', 1],
])('the line of an app in %s', (_what, text, line) => {
  expect(lineNaming(text, 'web')).toBe(line);
});

test('the file is told from the root of the repository, and only of a commit that is in it', () => {
  const top = mkdtempSync(path.join(os.tmpdir(), 'top-'));
  onTestFinished(() => rmSync(top, { recursive: true }));
  writeFileSync(path.join(top, 'ecosystem.config.js'), "\nmodule.exports = { name: 'web' };\n");
  const plan = {
    script: null,
    source: { kind: 'git' as const },
    repository: { url: '', given: false },
    workingDirectory: '',
    ecosystem: null,
  };
  expect(lineOfApp(plan, top, 'web')).toEqual({ file: 'ecosystem.config.js', line: 2 });
  expect(lineOfApp({ ...plan, repository: { url: '', given: true } }, top, 'web')).toBeNull();
  expect(lineOfApp({ ...plan, source: { kind: 'upload', builtFrom: '' } }, top, 'web')).toBeNull();
  expect(lineOfApp({ ...plan, script: 'a.js' }, top, 'web')).toBeNull();
  expect(lineOfApp({ ...plan, ecosystem: '../elsewhere.js' }, top, 'web')).toBeNull();
});
