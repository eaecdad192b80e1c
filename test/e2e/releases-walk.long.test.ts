import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ActionRun } from '../rig/action.ts';
import { UNVISITED } from '../rig/fixture-app.ts';
import { createFleet } from '../rig/fleet.ts';
import { atRest } from '../rig/leftovers.ts';
import { deployByOlder, OLDER } from '../rig/older-program.ts';
import { NEWEST } from '../rig/pm2.ts';
import { createSite, type Site } from '../rig/site.ts';

/** A test has several deploys, and the machine may be busy. In milliseconds. */
const LIMIT = 180_000;

/** One server lives through all of it: each test leaves it to the next one. */
let site: Site;
beforeAll(async () => {
  site = await createSite(NEWEST, {
    app: { ...UNVISITED, settings: { ...UNVISITED.settings, instances: 1 } },
    inputs: {
      layout: 'releases',
      shared: 'settings.json',
      'keep-releases': '1',
      'build-command': 'node build.js && chmod +x tools/run',
      'stable-for': '300ms',
      canary: 'off',
    },
  });
});
afterAll(() => site?.stop());

const at = (...names: string[]): string => path.join(site.live, ...names);
const current = (): string => path.basename(readlinkSync(at('current')));
/** Beside the fixture app: one that leaves its directory, and one with an interpreter of its own, in a directory of its own. */
const commit = (version: string, interpreter = './tools/run'): string => {
  const settings = { exec_mode: 'fork', kill_timeout: 1600 };
  const worker = { name: 'worker', script: 'worker.js', ...settings };
  const tool = { name: 'tool', script: 'job.txt', cwd: 'apps/tool', interpreter, ...settings };
  return site.commit({
    version,
    more: [worker, tool],
    moreFiles: {
      'worker.js': "process.chdir('/'); process.title = 'at work'; setInterval(() => {}, 1000);",
      'tools/run': '#!/bin/sh\nexec sleep 3600\n',
      'apps/tool/job.txt': '',
      'settings.json': `{"of":"${version}"}\n`,
    },
  });
};
const deployed = async (given: Record<string, string>): Promise<ActionRun> => {
  const run = await site.deploy(given);
  expect(run, run.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed' } });
  // The host program removes what is no longer needed after it has reported.
  await atRest(site.host.directory);
  return run;
};
const failed = async (given: Record<string, string>): Promise<string> => {
  const run = await site.deploy(given);
  expect(run, run.stdout).toMatchObject({ code: 1, outputs: { outcome: 'failed' } });
  return run.stdout;
};
const directoryOf = async (app: string): Promise<string> => {
  const [pid] = await site.host.pids(app);
  return realpathSync(`/proc/${pid}/cwd`);
};

test(
  'what 0.1.0 deployed is taken over, and each app runs what is of its version',
  async () => {
    for (const older of OLDER) await deployByOlder({ ...older, site }, site.commit({ version: '1' }));
    await deployed({ ref: commit('2') });
    expect(await site.served()).toBe('2');
    expect(await directoryOf('shop')).toBe(at('releases', current()));
    expect(await directoryOf('tool')).toBe(at('releases', current(), 'apps/tool'));
    // Nothing tells a deploy that a worker has booted.
    await expect.poll(() => directoryOf('worker')).toBe('/');
    expect(readFileSync(at('shared/settings.json'), 'utf8')).toBe('{"of":"2"}\n');
  },
  LIMIT,
);

test(
  'a version stays as long as an app runs it that has left its directory',
  async () => {
    const second = current();
    await deployed({ ref: commit('3'), app: 'shop, tool' });
    const third = current();
    await deployed({ ref: commit('4'), app: 'shop, tool' });
    expect(readdirSync(at('releases')).sort()).toEqual([second, third, current()].sort());
    const fourth = current();
    await deployed({ ref: commit('5') });
    expect(readdirSync(at('releases')).sort()).toEqual([fourth, current()].sort());
    expect(await directoryOf('tool')).toBe(at('releases', current(), 'apps/tool'));
    // The shared file is the server's own, whatever the commits have.
    expect(readFileSync(at('current/settings.json'), 'utf8')).toBe('{"of":"2"}\n');
  },
  LIMIT,
);

test(
  'an interpreter that is missing is found before anything is touched',
  async () => {
    expect(await failed({ ref: commit('6', './tools/none') })).toContain(
      `There is no ${at('current/tools/none')}, which is the interpreter of 'tool'.`,
    );
    expect(await site.served()).toBe('5');
  },
  LIMIT,
);

test(
  'the link is mended by the command that the error has',
  async () => {
    const fifth = readlinkSync(at('current'));
    rmSync(at('current'));
    const said = await failed({ ref: commit('6') });
    expect(said).toContain(`${at('current')} is gone. It has to lead to the version that was deployed last.`);
    mkdirSync(at('current'));
    expect(await failed({ ref: commit('6') })).toContain(`${at('current')} is no link.`);
    rmdirSync(at('current'));
    const [, command = ''] = /on the server: '(ln [^']*)'/.exec(said) ?? [];
    execFileSync('sh', ['-c', command]);
    expect(realpathSync(at('current'))).toBe(at(fifth));
  },
  LIMIT,
);

test(
  'status; local changes in a release are refused, then saved; and the way back needs no build',
  async () => {
    const status = await site.deploy({ mode: 'status', 'log-lines': '1' });
    expect(status, status.stdout).toMatchObject({ code: 0 });
    expect(status.stdout).toMatch(/shop: 1 of 1 online/);
    expect(status.stdout).toMatch(/Health +healthy/);

    const before = current();
    writeFileSync(at('current/version.json'), '{"version":"by hand"}');
    const ref = commit('6');
    expect(await failed({ ref })).toContain(
      `Tracked files in ${at('releases', before)} have local changes: version.json.`,
    );
    const saved = await deployed({ ref, 'local-changes': 'save' });
    const [, patch = ''] = /git apply --stat (\S+)'/.exec(saved.stdout) ?? [];
    expect(readFileSync(patch, 'utf8')).toContain('+{"version":"by hand"}');
    await deployed({ ref: commit('7') });

    const back = await deployed({ mode: 'rollback' });
    expect(back.stdout).toContain('needs no fetch, no install and no build');
    expect(await site.served()).toBe('6');
    expect(realpathSync(at('current/settings.json'))).toBe(at('shared/settings.json'));
  },
  LIMIT,
);

test(
  'a removal takes all of it away',
  async () => {
    const run = await site.deploy({ mode: 'remove' });
    expect(run, run.stdout).toMatchObject({ code: 0, outputs: { outcome: 'removed' } });
    expect(existsSync(site.live)).toBe(false);
    expect(await site.host.instances()).toEqual([]);
  },
  LIMIT,
);

test(
  'several servers: where a version fails on one, all go back to the releases that they had',
  async () => {
    await using fleet = await createFleet(2, { layout: 'releases', 'stable-for': '300ms' });
    const one = await fleet.deploy({ ref: fleet.commit('1') });
    expect(one, one.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed' } });
    const links = (): string[] => fleet.hosts.map(({ live }) => readlinkSync(path.join(live, 'current')));
    const before = links();
    const two = fleet.commit('2');
    fleet.hosts[1]?.breakVersion('2');
    const back = await fleet.deploy({ ref: two });
    expect(back, back.stdout).toMatchObject({ code: 1, outputs: { outcome: 'rolled-back' } });
    expect(await fleet.served()).toEqual(['1', '1']);
    expect(links()).toEqual(before);
  },
  LIMIT,
);
