import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import type { State } from '../../src/protocol.ts';
import { journaled } from '../rig/journal.ts';
import { hostProgramOf } from '../rig/leftovers.ts';
import { somePlan } from '../rig/plan.ts';
import { createSite, type Site } from '../rig/site.ts';

/** The host programs of older versions, by version, with the protocol that each speaks. */
const OLDER = [{ version: '0.1.0', protocol: 3 }];

interface Older {
  site: Site;
  version: string;
  protocol: number;
}

/** Carries out a deploy as an older version did. `killIn` kills its program in that state; else it has to end well. */
async function deployByOlder({ site, version, protocol }: Older, ref: string, killIn?: State): Promise<void> {
  const { host } = site;
  const plan = {
    ...somePlan({ path: 'shop', repository: { url: site.repository.url, given: true }, ref }),
    protocol,
    install: { kind: 'none' },
    build: { kind: 'command', command: 'node build.js' },
  };
  const runDir = path.join(host.directory, '.local/state/pm2-ssh-deploy/runs', plan.deployId);
  mkdirSync(runDir, { recursive: true, mode: 0o700 });
  writeFileSync(path.join(runDir, 'control.ndjson'), '{"type":"go"}\n');
  const program = path.join(import.meta.dirname, `../fixtures/host-${version}.js`);
  const child = spawn(path.join(host.directory, 'bin/node'), [program, 'run', runDir], {
    cwd: host.directory,
    env: host.env,
    stdio: ['pipe', 'ignore', 'inherit'],
  });
  child.stdin.end(JSON.stringify(plan));
  const ended = new Promise((resolve) => child.once('exit', resolve));
  const events = (): string => {
    const file = path.join(runDir, 'events.ndjson');
    return existsSync(file) ? readFileSync(file, 'utf8') : '';
  };
  if (killIn === undefined) {
    await ended;
    expect(events()).toContain('"outcome":"deployed"');
    return;
  }
  await journaled(host.directory, killIn);
  process.kill(hostProgramOf(host.directory), 'SIGKILL');
  await ended;
}

test.each(OLDER)('what version $version deployed can be deployed over, and rolled back to', async (older) => {
  await using site = await createSite();
  const sha = site.commit({ version: '1' });
  await deployByOlder({ ...older, site }, sha);
  const again = await site.deploy({ ref: sha });
  // The older version's plan has another fingerprint, so that the commit may be deployed once more. Nothing is lost by that.
  expect(again, again.stdout).toMatchObject({ code: 0, outputs: { sha, 'previous-sha': sha } });
  const next = await site.deploy({ ref: site.commit({ version: '2' }) });
  expect(next, next.stdout).toMatchObject({ outputs: { outcome: 'deployed', 'previous-sha': sha } });
  const back = await site.deploy({ mode: 'rollback', ref: '' });
  expect(back, back.stdout).toMatchObject({ outputs: { outcome: 'deployed', sha } });
  expect(await site.served()).toBe('1');
});

const KILLED_IN: readonly State[] = ['activating', 'verifying'];

test.each(OLDER.flatMap((older) => KILLED_IN.map((state) => ({ ...older, state }))))(
  'a deploy that version $version left in $state is ended first',
  async ({ state, ...older }) => {
    await using site = await createSite();
    const first = site.commit({ version: '1' });
    await deployByOlder({ ...older, site }, first);
    const second = site.commit({ version: '2' });
    await deployByOlder({ ...older, site }, second, state);
    const third = await site.deploy({ ref: site.commit({ version: '3' }) });
    expect(third, third.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed' } });
    expect(third.stdout).toContain(`was interrupted in ${state}. This run ends it first`);
    expect(third.stdout).toMatch(/was rolled back|is healthy/);
    expect(await site.served()).toBe('3');
  },
);
