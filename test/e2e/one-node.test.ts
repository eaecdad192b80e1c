import { readFileSync, readlinkSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type ActionRun, runAction } from '../rig/action.ts';
import { fixtureApp } from '../rig/fixture-app.ts';
import { freePort } from '../rig/free-port.ts';
import { createHost, type Host } from '../rig/host.ts';
import { NEWEST, OLDEST } from '../rig/pm2.ts';
import { createRepository, type Repository } from '../rig/repository.ts';

let host: Host;
let repository: Repository;
let port: number;

beforeAll(async () => {
  // PM2 5 runs on either Node.
  host = await createHost({ runtime: { ...OLDEST, node: NEWEST.node } });
  repository = createRepository();
  port = await freePort();
  // As version managers do it: the directory that it is called in decides.
  const shim = path.join(host.directory, 'bin/node');
  rmSync(shim);
  const chosen = `case $PWD in "$HOME") exec ${NEWEST.node} "$@" ;; *) exec ${OLDEST.node} "$@" ;; esac`;
  writeFileSync(shim, `#!/bin/sh\n${chosen}\n`, { mode: 0o755 });
});
afterAll(async () => {
  await host?.stop();
  repository?.remove();
});

const deploy = (sha: string, inputs: Record<string, string> = {}): Promise<ActionRun> =>
  runAction({
    inputs: {
      ...host.access,
      path: 'shop',
      repository: repository.url,
      ref: sha,
      'install-command': 'none',
      'build-command': 'node -p process.execPath > built-with; node build.js',
      'stable-for': '500ms',
      'health-timeout': '20s',
      ...inputs,
    },
  });
const builtWith = (): string => readFileSync(path.join(host.directory, 'shop/built-with'), 'utf8').trim();

test('the deploy, its commands, PM2 and the app run under one Node, and the log names it', async () => {
  const run = await deploy(repository.commit(fixtureApp({ version: '1', port })));
  expect(run, run.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed' } });
  const node = realpathSync(NEWEST.node);
  expect(run.stdout).toContain(`Node v24`);
  expect(run.stdout).toContain(`(${node}), PM2 5`);
  expect(builtWith()).toBe(node);
  const daemon = readFileSync(path.join(host.pm2Home, 'pm2.pid'), 'utf8').trim();
  for (const pid of [daemon, ...(await host.pids())]) expect(readlinkSync(`/proc/${pid}/exe`)).toBe(node);
  expect(run.stdout).not.toContain("PM2's daemon runs Node");
});

test("where shell-init chooses another one than PM2's daemon runs, the log says so", async () => {
  const init = `export PATH=${path.dirname(OLDEST.node)}:$PATH`;
  const run = await deploy(repository.commit(fixtureApp({ version: '2', port })), { 'shell-init': init });
  expect(run, run.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed' } });
  expect(builtWith()).toBe(realpathSync(OLDEST.node));
  expect(run.stdout).toMatch(/PM2's daemon runs Node v24\.\S+, and with it apps in cluster mode; .* run v16/);
});
