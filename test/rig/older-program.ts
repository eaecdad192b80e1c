import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect } from 'vitest';
import type { State } from '../../src/protocol.ts';
import { journaled } from './journal.ts';
import { hostProgramOf } from './leftovers.ts';
import { somePlan } from './plan.ts';
import type { Site } from './site.ts';

/** The host programs of older versions, by version, with the protocol that each speaks. */
export const OLDER = [{ version: '0.1.0', protocol: 3 }];

interface Older {
  site: Site;
  version: string;
  protocol: number;
}

/** Carries out a deploy as an older version did. `killIn` kills its program in that state; else it has to end well. */
export async function deployByOlder(
  { site, version, protocol }: Older,
  ref: string,
  killIn?: State,
): Promise<void> {
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
