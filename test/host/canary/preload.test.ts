import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { canaryConfig } from '../../../src/host/canary/config.ts';
import { preloadText, readReport } from '../../../src/host/canary/preload.ts';
import { accepts } from '../../../src/host/health/listening.ts';
import type { DeployApp } from '../../../src/host/pm2/app-config.ts';
import { freePort } from '../../rig/free-port.ts';
import { ALL_RUNTIMES, startPm2 } from '../../rig/pm2.ts';

/** Answers with what the app sees of itself. */
const BODY = `http.createServer((request, response) => response.end(JSON.stringify({
  number: process.env.NODE_APP_INSTANCE, name: process.env.name, shell: process.env.FROM_SHELL ?? null, cwd: process.cwd(),
}))).listen(Number(process.env.PORT), () => process.send && process.send('ready'));\n`;
const CJS = `const http = require('http');\n${BODY}`;
const ESM = `import http from 'node:http';\n${BODY}`;

function scratch(): string {
  const directory = mkdtempSync(path.join(tmpdir(), 'a canary '));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

const FORMS: Record<string, { files: Record<string, string>; app: Record<string, unknown> }> = {
  'cluster, CommonJS': {
    files: { 'app.js': CJS },
    app: { script: './app.js', exec_mode: 'cluster', wait_ready: true },
  },
  'cluster, ES module': { files: { 'app.mjs': ESM }, app: { script: './app.mjs', exec_mode: 'cluster' } },
  'fork, CommonJS': {
    files: { 'app.js': CJS },
    app: { script: './app.js', exec_mode: 'fork', wait_ready: true },
  },
  'fork, ES module': { files: { 'app.mjs': ESM }, app: { script: './app.mjs', exec_mode: 'fork' } },
  'through npm': {
    files: {
      'app.js': CJS,
      'package.json': '{"name":"a","version":"1.0.0","scripts":{"start":"node app.js"}}',
    },
    app: { script: 'npm', args: 'start', exec_mode: 'fork' },
  },
  'a command line': { files: { 'app.js': CJS }, app: { script: 'node app.js', exec_mode: 'fork' } },
};

test.each(ALL_RUNTIMES)(
  "no canary is seen on the app's own port, whatever starts it: $name",
  async (runtime) => {
    await using pm2 = await startPm2(runtime);
    const live = path.join(scratch(), 'live');
    const staging = path.join(scratch(), 'new version');
    const files = scratch();
    const canaries: { title: string; port: number; report: string }[] = [];
    const apps: DeployApp[] = [];
    for (const [title, form] of Object.entries(FORMS)) {
      const at = apps.length;
      const directory = path.join(staging, String(at));
      mkdirSync(directory, { recursive: true });
      for (const [name, text] of Object.entries(form.files)) writeFileSync(path.join(directory, name), text);
      const port = await freePort();
      const report = path.join(files, `${at}.ndjson`);
      const preload = path.join(files, `${at}.cjs`);
      writeFileSync(preload, preloadText(report, { name: 'web', NODE_APP_INSTANCE: '2' }));
      const app = {
        ...form.app,
        name: 'web',
        cwd: path.join(live, String(at)),
        env: { PORT: String(port) },
      } as DeployApp;
      apps.push(
        canaryConfig(app, {
          name: `canary-${at}`,
          top: live,
          live,
          staging,
          preload,
          files: path.join(files, String(at)),
          pm2Env: null,
          inherited: { FROM_SHELL: 'first start' },
          runsNow: true,
        }),
      );
      canaries.push({ title, port, report });
    }
    const config = path.join(files, 'apps.json');
    writeFileSync(config, JSON.stringify({ apps }));
    const started = await pm2.run(['start', config], { env: { ...pm2.env, CALLER: 'leaks' } });
    expect(started.code, started.stdout).toBe(0);

    for (const [at, { title, port, report }] of canaries.entries()) {
      await expect.poll(() => readReport(report).listens, { message: title }).toHaveLength(1);
      const [listen] = readReport(report).listens;
      expect(listen, title).toMatchObject({ port });
      expect(await accepts(port, '0.0.0.0', 1_000), title).toBe(false);
      expect(JSON.parse(await body(listen?.at ?? 0)), title).toEqual({
        number: '2',
        name: 'web',
        shell: 'first start',
        cwd: path.join(staging, String(at)),
      });
      if (title.includes('CommonJS')) expect(readReport(report).readyMs, title).toBeGreaterThan(0);
    }
    const listed = JSON.parse((await pm2.run(['-s', 'jlist'])).stdout) as {
      pm2_env: Record<string, unknown>;
    }[];
    expect(listed.map(({ pm2_env }) => pm2_env.CALLER)).toEqual(canaries.map(() => undefined));
  },
);

function body(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    get({ port, host: '127.0.0.1', agent: false }, (answer) => {
      let text = '';
      answer.on('data', (chunk) => {
        text += chunk;
      });
      answer.on('end', () => resolve(text));
    }).on('error', reject);
  });
}

test('every form of listen is moved, and what cannot be is left', () => {
  const directory = scratch();
  const report = path.join(directory, 'report');
  const preload = path.join(directory, 'preload.cjs');
  writeFileSync(preload, preloadText(report, { ADDED: "it's" }));
  const script = `
    const net = require('net'), http = require('http'), assert = require('assert');
    assert.strictEqual(process.env.ADDED, "it's");
    const calls = [[3001], ['3002', '0.0.0.0', 5], [{ port: 3003, host: '::', backlog: 3 }], [${JSON.stringify(path.join(directory, 'a.sock'))}],
      [], [null], [undefined, '127.0.0.1'], [0], [{ host: '127.0.0.1' }], [{ path: ${JSON.stringify(path.join(directory, 'b.sock'))} }]];
    let left = calls.length;
    for (const call of calls) {
      const server = left % 2 ? http.createServer() : net.createServer();
      server.listen(...call, () => {
        assert.strictEqual(server.address().address, '127.0.0.1');
        if (--left === 0) process.exit(0);
      });
    }`;
  execFileSync(process.execPath, ['--require', preload, '-e', script], { timeout: 20_000 });
  const ports = readReport(report).listens.map(({ port }) => port);
  expect(ports.sort()).toEqual([0, 0, 0, 0, 0, 3001, 3002, 3003, null, null]);
  expect(new Set(readReport(report).listens.map(({ at }) => at)).size).toBe(10);
});

test('an app whose report cannot be written boots all the same', () => {
  const directory = scratch();
  const preload = path.join(directory, 'preload.cjs');
  writeFileSync(preload, preloadText(path.join(directory, 'no', 'such', 'directory'), {}));
  chmodSync(preload, 0o400);
  const script = "require('http').createServer().listen(0, () => process.exit(7))";
  expect(() => execFileSync(process.execPath, ['-r', preload, '-e', script])).toThrow(
    expect.objectContaining({ status: 7 }),
  );
});

test('a line that is only half written is read later', () => {
  const report = path.join(scratch(), 'report');
  expect(readReport(report)).toEqual({ listens: [], readyMs: null });
  writeFileSync(report, '{"port":1,"at":2,"ms":3}\n{"ready":tr');
  expect(readReport(report)).toEqual({ listens: [{ port: 1, at: 2, ms: 3 }], readyMs: null });
});
