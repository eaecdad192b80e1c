import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { ActionRun } from '../rig/action.ts';
import { type FixtureOptions, fixtureApp } from '../rig/fixture-app.ts';
import { startLoad } from '../rig/load.ts';
import { MIDDLE, NEWEST } from '../rig/pm2.ts';
import { createSite, type Site } from '../rig/site.ts';

let site: Site;
beforeEach(async () => {
  site = await createSite(NEWEST, { inputs: { canary: 'off', 'stable-for': '500ms' } });
});
afterEach(() => site?.stop());

type Settings = NonNullable<FixtureOptions['settings']>;

/** An app in fork mode without shutdown code, started by other means than its script. */
function commit(version: string, settings: Settings, moreFiles: Record<string, string> = {}): string {
  const files = fixtureApp({
    version,
    port: site.port,
    shutdown: 'none',
    settings: { exec_mode: 'fork', instances: 1, wait_ready: false, ...settings },
  });
  return site.commit({
    files: {
      ...files,
      'package.json': JSON.stringify({
        name: 'shop',
        version: '1.0.0',
        scripts: { start: 'node dist/server.js', build: 'node build.js' },
      }),
      'build.js': `${(files['build.js'] ?? '').replace(JSON.stringify(settings.script), '"dist/server.js"')}
if (fs.existsSync('tsx.js')) fs.copyFileSync('tsx.js', 'dist/tsx');
if (fs.existsSync('tsx.js')) fs.chmodSync('dist/tsx', 0o755);
`,
      ...moreFiles,
    },
  });
}

async function underLoad(version: string, work: () => Promise<ActionRun>) {
  const load = startLoad({ url: `http://127.0.0.1:${site.port}/version`, connections: 5, fresh: 3 });
  await load.sees(version, 10_000);
  const run = await work();
  expect(run.outputs.outcome, run.stdout).toBe('deployed');
  return { run, load: await load.stop() };
}

const NPM = { script: 'npm', args: 'start' };
const BASH = { script: './start.sh', interpreter: 'bash' };
/** What tsx does: a program of Node that starts Node once more, with the app. */
const TSX = { interpreter: './dist/tsx', script: './dist/server.js' };
const FILES = {
  'start.sh': 'exec node dist/server.js\n',
  'tsx.js': `#!/usr/bin/env node
const { spawn } = require('child_process');
const child = spawn(process.execPath, process.argv.slice(2), { stdio: 'inherit' });
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal));
child.on('exit', (code) => process.exit(code ?? 1));
`,
};

test.each<[string, Settings, number]>([
  ['npm start', NPM, 1],
  // What a shell script starts is seen for the first time when it runs.
  ['a shell script', BASH, 2],
  ['a program that starts Node, as tsx does', TSX, 1],
])('an app that %s starts is handed over', async (_, settings, deploys) => {
  for (let at = 1; at <= deploys; at++) {
    const run = await site.deploy({ ref: commit(`v${at}`, settings, FILES) });
    expect(run.outputs.outcome, run.stdout).toBe('deployed');
  }
  const { run, load } = await underLoad(`v${deploys}`, () =>
    site.deploy({ ref: commit('next', settings, FILES) }),
  );
  expect(run.stdout).toContain('a second instance');
  expect(load.failures).toEqual({});
  expect(await site.served()).toBe('next');
  expect(await site.host.instances()).toHaveLength(1);
});

test('Python is restarted as ever, and the log says what the outage was and what would end it', async () => {
  const settings = { script: './app.py', interpreter: 'python3' };
  const python = (version: string) => ({
    'app.py': `import http.server, os
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(b'${version}')
    def log_message(self, *_): pass
http.server.ThreadingHTTPServer(('127.0.0.1', int(os.environ['PORT'])), Answer).serve_forever()
`,
  });
  await site.deploy({ ref: commit('v1', settings, python('v1')) });
  const { run } = await underLoad('v1', () => site.deploy({ ref: commit('v2', settings, python('v2')) }));
  expect(run.stdout).toContain('PM2 does not start it with Node, so its port cannot be shared.');
  expect(run.stdout).toMatch(/it refused connections for \d+\.\d s/);
});

test('an old Node restarts it as ever, and the log says which one would not', async () => {
  await site.stop();
  site = await createSite(MIDDLE, { inputs: { canary: 'off', 'stable-for': '500ms' } });
  await site.deploy({ ref: commit('v1', {}) });
  const { run } = await underLoad('v1', () => site.deploy({ ref: commit('v2', {}) }));
  expect(run.stdout).toContain('Node 20.20 cannot share a port. Node 22.12 or later can.');
});

/** Without what PM2 itself adds and drops: of a process that has ended, of the CLI that started the daemon, of package.json. */
const PASSING = ['_tree_pids', 'exit_code', 'PM2_INTERACTOR_PROCESSING', 'version', 'node_version'];
const lasting = (names: readonly string[]): string[] =>
  names.filter((name) => !PASSING.includes(name)).sort();

test('ten handovers in a row leave what a fresh start would: in the list, the process, and the dump', async () => {
  const settings: Settings = { env: { GREETING: 'hello' } };
  for (let at = 0; at <= 10; at++) {
    const run = await site.deploy({ ref: commit(`v${at}`, settings) });
    expect(run.outputs.outcome, run.stdout).toBe('deployed');
  }
  const shown = async () => {
    const [entry = {}] = await site.host.entries();
    const [{ pid = 0 } = {}] = await site.host.instances();
    const dumped = JSON.parse(readFileSync(`${site.host.pm2Home}/dump.pm2`, 'utf8')) as object[];
    const environ = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
    return {
      entry: lasting(Object.keys(entry)),
      env: lasting(Object.keys(entry.env as object)),
      process: lasting(environ.map((line) => line.split('=')[0] ?? '')),
      dump: dumped.map((one) => lasting(Object.keys(one))),
      restarts: entry.restart_time,
      logs: [entry.pm_out_log_path, entry.pm_err_log_path],
      number: entry.NODE_APP_INSTANCE,
    };
  };
  const handedOver = await shown();
  expect(handedOver).toMatchObject({ restarts: 10, number: 0 });
  await site.host.pm2(['restart', 'shop']);
  await site.host.pm2(['reload', 'shop']);
  await expect.poll(() => site.served().catch(() => '')).toBe('v10');
  // A reload leaves less in PM2's list than a start does, by whomever: so the fresh start is reloaded as well.
  await site.host.pm2(['delete', 'shop']);
  for (const handover of ['auto', 'off', 'auto']) {
    const run = await site.deploy({ ref: commit(`fresh-${handover}`, settings), handover });
    expect(run.outputs.outcome, run.stdout).toBe('deployed');
  }
  const fresh = await shown();
  expect({ ...handedOver, restarts: 0, logs: [] }).toEqual({ ...fresh, restarts: 0, logs: [] });
});
