import { readFileSync, readlinkSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Host } from '../rig/host.ts';
import { NEWEST, OLDEST } from '../rig/pm2.ts';
import { createSite, type Site } from '../rig/site.ts';

let site: Site;
let host: Host;

beforeAll(async () => {
  const inputs = {
    'build-command': 'node -p process.execPath > built-with; node build.js',
    'stable-for': '500ms',
  };
  // PM2 5 runs on either Node.
  site = await createSite({ ...OLDEST, node: NEWEST.node }, { inputs });
  ({ host } = site);
  // As version managers do it: the directory that it is called in decides.
  const shim = path.join(host.directory, 'bin/node');
  rmSync(shim);
  const chosen = `case $PWD in "$HOME") exec ${NEWEST.node} "$@" ;; *) exec ${OLDEST.node} "$@" ;; esac`;
  writeFileSync(shim, `#!/bin/sh\n${chosen}\n`, { mode: 0o755 });
});
afterAll(() => site?.stop());

const builtWith = (): string => readFileSync(path.join(site.live, 'built-with'), 'utf8').trim();

test('the deploy, its commands, PM2 and the app run under one Node, and the log names it', async () => {
  const run = await site.deploy({ ref: site.commit({ version: '1' }) });
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
  const run = await site.deploy({ ref: site.commit({ version: '2' }), 'shell-init': init });
  expect(run, run.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed' } });
  expect(builtWith()).toBe(realpathSync(OLDEST.node));
  expect(run.stdout).toMatch(/PM2's daemon runs Node v24\.\S+, and so do apps in cluster mode\. .* run v16/);
});
