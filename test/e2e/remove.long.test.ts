import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ActionRun, StartedAction } from '../rig/action.ts';
import { UNVISITED } from '../rig/fixture-app.ts';
import { journaled } from '../rig/journal.ts';
import { atRest, hostProgramOf } from '../rig/leftovers.ts';
import { NEWEST } from '../rig/pm2.ts';
import { createSite, type Site } from '../rig/site.ts';

/** One host lives through a row of them: each test leaves it to the next one. */
describe('mode: remove', () => {
  let site: Site;
  let first: string;
  let neighbour: number[];

  beforeAll(async () => {
    // It takes a second to end, in which its removal can be killed.
    const app = { ...UNVISITED, drain: 1_000 };
    site = await createSite(NEWEST, { app, inputs: { canary: 'off', 'stable-for': '300ms' } });
    first = site.commit({ version: '1' });
    const { directory } = site.host;
    writeFileSync(path.join(directory, 'neighbour.js'), 'setInterval(() => {}, 1000);\n');
    await site.host.pm2(['start', path.join(directory, 'neighbour.js'), '--name', 'neighbour']);
    await site.host.pm2(['save']);
    neighbour = await site.host.pids('neighbour');
  });
  afterAll(() => site?.stop());

  const remove = (given: Record<string, string> = {}): Promise<ActionRun> =>
    site.deploy({ mode: 'remove', ...given });
  const deploy = async (): Promise<void> => {
    const run = await site.deploy({ ref: first });
    expect(run, run.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed' } });
    expect(await site.served()).toBe('1');
  };
  /** Kills the removal on the host and, so that nobody goes on with it, the runner before that. */
  const killWhileRemoving = async (runner?: StartedAction): Promise<void> => {
    await journaled(site.host.directory, 'removing');
    runner?.process.kill('SIGKILL');
    process.kill(hostProgramOf(site.host.directory), 'SIGKILL');
  };
  const namesInPm2 = async (): Promise<string[]> =>
    [
      ...new Set((JSON.parse(await site.host.pm2(['jlist'])) as { name: string }[]).map(({ name }) => name)),
    ].sort();
  const dumped = (): string[] => {
    const dump = JSON.parse(readFileSync(path.join(site.host.directory, '.pm2/dump.pm2'), 'utf8'));
    return (dump as { name: string }[]).map(({ name }) => name);
  };
  const expectGone = async (run: ActionRun): Promise<void> => {
    expect(run, run.stdout).toMatchObject({
      code: 0,
      outputs: { outcome: 'removed', sha: '', 'previous-sha': first },
    });
    expect(existsSync(site.live)).toBe(false);
    expect(existsSync(path.join(site.host.directory, '.shop.pm2-ssh-deploy'))).toBe(false);
    expect(await namesInPm2()).toEqual(['neighbour']);
    expect(dumped()).toEqual(['neighbour']);
    expect(await site.host.pids('neighbour')).toEqual(neighbour);
    await expect(site.served()).rejects.toThrow('fetch failed');
  };

  test('what is not there is removed already, and what this action did not bring stays', async () => {
    const nothing = await remove();
    expect(nothing, nothing.stdout).toMatchObject({ code: 0, outputs: { outcome: 'unchanged' } });
    expect(nothing.summary).toContain('there is nothing to remove');
    expect(existsSync(site.live)).toBe(false);

    const own = path.join(site.host.directory, 'own');
    mkdirSync(own);
    execFileSync('git', ['init', '-q', own]);
    writeFileSync(path.join(own, 'precious'), 'x');
    const refused = await remove({ path: 'own' });
    expect(refused, refused.stdout).toMatchObject({ code: 1, outputs: { outcome: 'failed' } });
    expect(refused.stdout).toContain(`This action never deployed to ${own}. Nothing was removed.`);
    expect(readdirSync(own).sort()).toEqual(['.git', 'precious']);
  });

  test('an app that somebody else runs from the directory keeps all of it; without that one app and directory go, and nothing else', async () => {
    await deploy();
    writeFileSync(path.join(site.live, 'guest.js'), 'setInterval(() => {}, 1000);\n');
    await site.host.pm2(['start', path.join(site.live, 'guest.js'), '--name', 'guest', '--cwd', site.live]);
    const refused = await remove();
    expect(refused, refused.stdout).toMatchObject({ code: 1, outputs: { outcome: 'failed', sha: first } });
    expect(refused.stdout).toContain("PM2 runs 'guest' from");
    expect(await site.served()).toBe('1');
    await site.host.pm2(['delete', 'guest']);

    const removed = await remove();
    await expectGone(removed);
    expect(removed.summary).toMatch(/^### ✅ shop was removed from host-1, was `\w{7}`/);
    const root = path.join(site.host.directory, '.local/state/pm2-ssh-deploy');
    const [state = ''] = readdirSync(root).filter((name) => name.startsWith('shop-'));
    await atRest(site.host.directory);
    expect(readdirSync(path.join(root, state)).sort()).toEqual(['journal.ndjson', 'lock']);
  });

  test('a removal that is killed in the middle is ended by the same job, and the app can be deployed anew', async () => {
    await deploy();
    const removal = site.start({ mode: 'remove' });
    await killWhileRemoving();
    await expectGone(await removal.done);
    await deploy();
  });

  test('a removal that nobody goes on with is ended by the next deploy, which finds nothing of the app', async () => {
    writeFileSync(path.join(site.live, 'own.txt'), 'written by the app\n');
    const removal = site.start({ mode: 'remove' });
    await killWhileRemoving(removal);
    await removal.done;

    const next = await site.deploy({ ref: first });
    expect(next, next.stdout).toMatchObject({
      code: 0,
      outputs: { outcome: 'deployed', 'previous-sha': '' },
    });
    expect(next.stdout).toContain('was interrupted. It is ended first.');
    expect(await site.served()).toBe('1');
    expect(existsSync(path.join(site.live, 'own.txt'))).toBe(false);
    expect(await namesInPm2()).toEqual(['neighbour', 'shop']);
  });
});
