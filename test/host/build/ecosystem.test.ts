import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { findEcosystem, readEcosystem } from '../../../src/host/build/ecosystem.ts';
import type { AppConfig } from '../../../src/host/pm2/app-config.ts';
import { DeployFailure } from '../../../src/host/system/failure.ts';
import { ALL_RUNTIMES, NEWEST, OLDEST, type Runtime } from '../../rig/pm2.ts';

let dir: string;
beforeEach(() => {
  dir = realpathSync(mkdtempSync(join(tmpdir(), 'eco-')));
});
afterEach(() => rmSync(dir, { recursive: true }));

function write(files: Record<string, string>): void {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(dir, name)), { recursive: true });
    writeFileSync(join(dir, name), text);
  }
}

const read = (
  name: string,
  runtime: Runtime = NEWEST,
  options: { env?: NodeJS.ProcessEnv; timeLimit?: number } = {},
): Promise<AppConfig[]> =>
  readEcosystem(join(dir, name), {
    node: runtime.node,
    pm2Root: runtime.pm2Root,
    env: { PATH: process.env.PATH, ...options.env },
    cwd: dir,
    ...(options.timeLimit === undefined ? {} : { timeLimit: options.timeLimit }),
  });

const failure = async (reading: Promise<unknown>): Promise<DeployFailure> => {
  const error = await reading.catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(DeployFailure);
  return error as DeployFailure;
};

describe('finding it', () => {
  test('takes what PM2 looks for, scripts first', () => {
    write({ 'pm2.json': '{}', 'ecosystem.json': '{}' });
    expect(findEcosystem(dir, null)).toBe(join(dir, 'ecosystem.json'));
    write({ 'ecosystem.config.cjs': '' });
    expect(findEcosystem(dir, null)).toBe(join(dir, 'ecosystem.config.cjs'));
    write({ 'deploy/my.js': '' });
    expect(findEcosystem(dir, 'deploy/my.js')).toBe(join(dir, 'deploy/my.js'));
  });

  test('says where it looked, and what it takes', () => {
    mkdirSync(join(dir, 'ecosystem.config.js'));
    expect(() => findEcosystem(dir, null)).toThrow(`There is no ecosystem file in ${dir}.`);
    try {
      findEcosystem(dir, null);
    } catch (error) {
      expect((error as DeployFailure).remedy).toMatch(/ecosystem\.config\.js.*pm2\.json/);
    }
    expect(() => findEcosystem(dir, 'apps.toml')).toThrow(/"apps\.toml".*\.js, \.cjs/);
    expect(() => findEcosystem(dir, 'none.js')).toThrow('There is no ecosystem file "none.js"');
    expect(() => findEcosystem(dir, 'ecosystem.config.js')).toThrow('that is not a file');
  });
});

describe.each(ALL_RUNTIMES)('reading it, $name', (runtime) => {
  const web = [{ name: 'web', script: 'server.js' }];

  test.each([
    ['ecosystem.config.js', `module.exports = { apps: ${JSON.stringify(web)} }`, ''],
    ['ecosystem.config.cjs', `module.exports = { apps: ${JSON.stringify(web)} }`, 'module'],
    ['ecosystem.config.js', `export default { apps: ${JSON.stringify(web)} }`, 'module'],
    ['ecosystem.config.js', `export const apps = ${JSON.stringify(web)}`, 'module'],
    ['ecosystem.config.mjs', `export default { apps: await Promise.resolve(${JSON.stringify(web)}) }`, ''],
    [
      'ecosystem.config.js',
      `exports.__esModule = true; exports.default = { apps: ${JSON.stringify(web)} }`,
      '',
    ],
    ['ecosystem.config.js', `module.exports = ${JSON.stringify(web)}`, ''],
    ['ecosystem.config.js', `module.exports = { apps: ${JSON.stringify(web[0])} }`, ''],
    ['ecosystem.config.js', `module.exports = { pm2: ${JSON.stringify(web)} }`, ''],
    ['ecosystem.config.js', `module.exports = ${JSON.stringify(web[0])}`, ''],
    ['pm2.json', `{ // a comment\n "apps": [{ name: 'web', "script": "server.js", }] } // end`, ''],
    ['ecosystem.yml', 'apps:\n  - name: web\n    script: server.js\n', ''],
  ])('%s: %s', async (name, text, type) => {
    write({ [name]: text, 'package.json': JSON.stringify({ type: type || 'commonjs' }) });
    expect(await read(name, runtime)).toEqual(web);
  });

  test('what it prints, leaves running and needs does not matter', async () => {
    write({
      'node_modules/dotenv/index.js': 'module.exports = { config() { console.log("[dotenv] injecting") } }',
      'ecosystem.config.js': `
        require('dotenv').config(); setInterval(() => console.log('tick'), 1);
        console.log('x'.repeat(200000)); console.error('@@@');
        module.exports = { apps: [{ name: process.env.NAME, script: 's.js', cwd: __dirname, big: 'y'.repeat(300000),
          args: process.cwd(), filter: () => 1, instances: undefined }] }`,
    });
    expect(await read('ecosystem.config.js', runtime, { env: { NAME: 'ä "b"' } })).toEqual([
      { name: 'ä "b"', script: 's.js', cwd: dir, big: 'y'.repeat(300_000), args: dir },
    ]);
  });

  test.each([
    ['ecosystem.config.js', '\n\nthrow new Error("no DATABASE_URL")', 'Error: no DATABASE_URL (line 3)'],
    [
      'ecosystem.config.js',
      'module.exports = {\n  apps: [{ name: }]\n}',
      "SyntaxError: Unexpected token '}' (line 2)",
    ],
    [
      'ecosystem.config.mjs',
      '\nexport default { apps: nothing }',
      'ReferenceError: nothing is not defined (line 2)',
    ],
    ['ecosystem.config.mjs', '\n\nexport default {{', "SyntaxError: Unexpected token '{' (line 3)"],
    ['pm2.json', '{ "apps": [\n oops ] }', 'ReferenceError: oops is not defined (line 2)'],
    ['ecosystem.yaml', 'apps:\n  - name: web\n script: [', 'YAMLException'],
    ['ecosystem.config.js', 'module.exports = require("nowhere")', "Error: Cannot find module 'nowhere'"],
    ['ecosystem.config.js', 'module.exports = () => ({})', 'TypeError: it exports a function'],
  ])('%s: %j fails as %s', async (name, text, expected) => {
    write({ [name]: text });
    const { message } = await failure(read(name, runtime));
    expect(message).toContain(`The ecosystem file ${name} cannot be evaluated: `);
    expect(message).toContain(expected);
  });
});

test('CommonJS under "type": "module" is told what to do', async () => {
  write({ 'ecosystem.config.js': 'module.exports = {}', 'package.json': '{ "type": "module" }' });
  const { message, remedy } = await failure(read('ecosystem.config.js'));
  expect(message).toContain('module is not defined');
  expect(remedy).toContain('.cjs');
});

test('one that hangs or ends its process fails in time', async () => {
  write({ 'a.config.js': 'for (;;);', 'b.config.js': 'console.log("bye"); process.exit(0)' });
  expect((await failure(read('a.config.js', OLDEST, { timeLimit: 500 }))).message).toContain(
    'did not end within 0.5 s',
  );
  const ended = await failure(read('b.config.js'));
  expect(ended.message).toContain('ended its own process (code 0)');
  expect(ended.output).toEqual(['bye']);
});

test.each(['{}', '[]', 'null', '{ apps: [] }', '{ apps: [1] }', '{ default: 1 }', '"text"'])(
  '%s has no apps',
  async (value) => {
    write({ 'e.config.js': `module.exports = ${value}` });
    expect((await failure(read('e.config.js'))).message).toContain('has no apps');
  },
);

test("the variables of a deploy section are those of the app's own block, as with PM2's --env", async () => {
  write({
    'e.config.js': `module.exports = {
      apps: [{ name: 'web', script: 's.js', env: { A: 0 }, env_production: { A: 1, B: 1 } }, { name: 'job', script: 'j.js' }],
      deploy: { production: { user: 'x', env: { B: 2, C: 2 } }, staging: { user: 'x' } } }`,
  });
  expect(await read('e.config.js')).toEqual([
    { name: 'web', script: 's.js', env: { A: 0 }, env_production: { A: 1, B: 1, C: 2 } },
    { name: 'job', script: 'j.js', env_production: { B: 2, C: 2 } },
  ]);
});
