/**
 * The program of the child process that evaluates an ecosystem file: a text, since it runs by `node -e` and must reach
 * the host unchanged by any bundler. Arguments: the file, how to read it (`code`, `json`, `yaml`), PM2's directory, a mark.
 * It prints the mark, the config (or what went wrong) as one line of JSON, and the mark again; all else is noise.
 */
export const ECOSYSTEM_READER = `
'use strict';
const [file, form, pm2Root, mark] = process.argv.slice(1);
const { createRequire } = require('module');
const { pathToFileURL } = require('url');
const { spawnSync } = require('child_process');
const fs = require('fs');
const vm = require('vm');
// 'node -e' makes these global, where an ES module would find them.
for (const name of ['module', 'exports', 'require', '__filename', '__dirname']) delete globalThis[name];

async function evaluate() {
  if (form === 'json') return vm.runInThisContext('(' + fs.readFileSync(file, 'utf8') + '\\n)', { filename: file });
  if (form === 'yaml') {
    const yaml = createRequire(pm2Root + '/package.json')('js-yaml');
    return yaml.load(fs.readFileSync(file, 'utf8'), { filename: file });
  }
  let loaded;
  try {
    loaded = createRequire(file)(file);
  } catch (error) {
    if (!error || !['ERR_REQUIRE_ESM', 'ERR_REQUIRE_ASYNC_MODULE'].includes(error.code)) throw error;
    loaded = await import(pathToFileURL(file).href);
  }
  const own = loaded && typeof loaded === 'object' ? loaded : {};
  return own.apps === undefined && own.pm2 === undefined && own.default !== undefined ? await own.default : loaded;
}

function lineOf(error) {
  if (error && error.mark && typeof error.mark.line === 'number') return error.mark.line + 1;
  const line = lineIn(String((error && error.stack) || ''));
  if (line !== null || form !== 'code' || !(error instanceof SyntaxError)) return line;
  // An ES module's is known to Node's own report only.
  return lineIn(String(spawnSync(process.execPath, ['--check', file], { timeout: 5000 }).stderr));
}

function lineIn(text) {
  for (const name of [pathToFileURL(file).href, file]) {
    const at = text.indexOf(name + ':');
    const line = at < 0 ? NaN : parseInt(text.slice(at + name.length + 1), 10);
    if (line > 0) return line;
  }
  return null;
}

function answer(value) {
  const line = JSON.stringify(value);
  process.stdout.write('\\n' + mark + line + mark + '\\n', () => process.exit(0));
}

evaluate()
  .then((value) => {
    if (typeof value === 'function') throw new TypeError('it exports a function, but PM2 takes an object with apps');
    answer({ value });
  })
  .catch((error) => {
    const message = error && error.message ? (error.name || 'Error') + ': ' + (error.reason || error.message) : String(error);
    answer({ error: { message, line: lineOf(error) } });
  });
`;
