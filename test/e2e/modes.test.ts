import { appendFileSync, chmodSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { INSTANCES, UNVISITED } from '../rig/fixture-app.ts';
import { listing } from '../rig/home.ts';
import { atRest } from '../rig/leftovers.ts';
import { NEWEST } from '../rig/pm2.ts';
import { createSite, type Site } from '../rig/site.ts';

/** One host lives through a row of them: each test leaves it to the next one. */
describe('modes', () => {
  let site: Site;
  const shas: Record<string, string> = {};

  beforeAll(async () => {
    site = await createSite(NEWEST, { app: UNVISITED, inputs: { canary: 'off', 'stable-for': '500ms' } });
  });
  afterAll(() => site?.stop());

  const homeFiles = (): string[] => listing(site.host.directory);
  const homeFilesAtRest = async (): Promise<string[]> => {
    await atRest(site.host.directory);
    return homeFiles();
  };

  test('a check where nothing was ever deployed changes nothing, and says what it saw', async () => {
    const before = await homeFilesAtRest();
    shas.A = site.commit({ version: 'A' });
    const checked = await site.deploy({ mode: 'check', ref: 'main' });
    expect(checked, checked.stdout).toMatchObject({ code: 0, outputs: { outcome: 'unchanged', sha: '' } });
    expect(checked.stdout).toContain(`The repository answers: main is ${shas.A} there.`);
    expect(checked.stdout).toContain('Checked: nothing stands in the way of a deploy.');
    expect(homeFiles()).toEqual(before);
    expect(checked.exported.state).toEqual({ settled: 'true' });
  });

  test('rollbacks in a row go further back each time, and end where there is nothing before', async () => {
    for (const name of ['A', 'B', 'C']) {
      shas[name] ??= site.commit({ version: name });
      const deployed = await site.deploy({ ref: shas[name] ?? '' });
      expect(deployed, deployed.stdout).toMatchObject({ outputs: { outcome: 'deployed' } });
    }
    for (const [from, to] of [
      ['C', 'B'],
      ['B', 'A'],
    ] as const) {
      const back = await site.deploy({ mode: 'rollback' }, { env: { GITHUB_SHA: shas.C ?? '' } });
      expect(back, back.stdout).toMatchObject({
        code: 0,
        outputs: { outcome: 'deployed', sha: shas[to], 'previous-sha': shas[from] },
      });
      expect(back.stdout).toContain(`Rolled back as asked: ${shas[to]?.slice(0, 7)} runs`);
      expect(await site.served()).toBe(to);
    }
    const pids = await site.host.pids('shop');
    const none = await site.deploy({ mode: 'rollback' });
    expect(none, none.stdout).toMatchObject({ code: 1, outputs: { outcome: 'failed', sha: shas.A } });
    expect(none.stdout).toContain('There is no version to roll back to');
    expect(await site.host.pids('shop')).toEqual(pids);
  });

  test('a rollback goes to the version that is named, if it was verified here', async () => {
    const refused = await site.deploy({ mode: 'rollback', ref: site.commit({ version: 'D' }) });
    expect(refused, refused.stdout).toMatchObject({ code: 1, outputs: { outcome: 'failed', sha: shas.A } });
    expect(refused.stdout).toContain('was never verified here');
    expect(refused.stdout).toContain(`${shas.C}, deployed at `);
    const there = await site.deploy({ mode: 'rollback', ref: shas.C?.slice(0, 10) ?? '' });
    expect(there, there.stdout).toMatchObject({ outputs: { outcome: 'deployed', sha: shas.C } });
    expect(await site.served()).toBe('C');
  });

  test('a run with a lower id does not replace what a newer one deployed, unless it is forced to', async () => {
    const refused = await site.deploy({ ref: shas.B ?? '' }, { env: { GITHUB_RUN_ID: '4710' } });
    expect(refused, refused.stdout).toMatchObject({ code: 1, outputs: { outcome: 'failed', sha: shas.C } });
    expect(refused.stdout).toMatch(
      /Run 4711 of this repository deployed \w+ here at .*runs\/4711\/attempts\/1/,
    );
    expect(await site.served()).toBe('C');
    const forced = await site.deploy(
      { ref: shas.B ?? '', force: 'true' },
      { env: { GITHUB_RUN_ID: '4710' } },
    );
    expect(forced, forced.stdout).toMatchObject({ outputs: { outcome: 'deployed', sha: shas.B } });
  });

  test('a status tells what runs and how it came there, and changes nothing', async () => {
    const [instance] = JSON.parse(await site.host.pm2(['jlist'])) as [
      { pm2_env: { pm_err_log_path: string } },
    ];
    appendFileSync(instance.pm2_env.pm_err_log_path, 'one\ntwo\nthe token is hunter2-and-more\n');
    writeFileSync(path.join(site.live, '.env'), 'TOKEN=hunter2-and-more\n');
    const before = await homeFilesAtRest();
    const told = await site.deploy({ mode: 'status', 'log-lines': '2' });
    const after = homeFiles();
    rmSync(path.join(site.live, '.env'));
    expect(told, told.stdout).toMatchObject({ code: 0, outputs: { outcome: 'unchanged', sha: shas.B } });
    expect(told.stdout).toMatch(/Last lines of the error log of 'shop':\n.* two\n.* the token is \*\*\*\n/);
    expect(told.summary).toContain('the token is ***');
    expect(told.stdout).toMatch(new RegExp(`Runs +${shas.B}`));
    expect(told.stdout).toContain(`shop: ${INSTANCES} of ${INSTANCES} online`);
    expect(told.stdout).toMatch(/Health +healthy/);
    expect(told.stdout).toMatch(/Since +\d{4}-.* UTC, octocat, .*runs\/4710/);
    const what = [...told.stdout.matchAll(/UTC {2}([a-z -]+?) {2,}(\w{7}|–) +octocat/g)];
    expect(what.map(([, outcome]) => outcome).slice(0, 3)).toEqual(['deployed', 'failed', 'rolled back to']);
    expect(what).toHaveLength(10);
    expect(told.summary).toContain('| When | What |');
    expect(after).toEqual(before);
  });

  test('a check under PM2 changes nothing, and names what stands in the way', async () => {
    const before = await homeFilesAtRest();
    const checked = await site.deploy({ mode: 'check', ref: shas.C ?? '' });
    expect(checked, checked.stdout).toMatchObject({
      code: 0,
      outputs: { outcome: 'unchanged', sha: shas.B },
    });
    expect(checked.stdout).toMatch(/\] 1 commit would go live: \w{7} /);
    expect(checked.stdout).toMatch(/\] \d tracked files? would change: .*M version\.json/);
    expect(checked.stdout).toContain('The ecosystem file says the same as before.');
    expect(checked.summary).toContain(`can be deployed over \`${shas.B?.slice(0, 7)}\``);
    expect(homeFiles()).toEqual(before);

    writeFileSync(path.join(site.live, 'src/server.js'), '// mended by hand\n');
    const beside = path.join(site.host.directory, '.shop.pm2-ssh-deploy');
    chmodSync(beside, 0o755);
    const changed = homeFiles();
    const refused = await site.deploy({ mode: 'check', ref: 'no-such-branch' });
    expect(refused, refused.stdout).toMatchObject({ code: 1, outputs: { outcome: 'failed', sha: shas.B } });
    expect(refused.stdout).toContain("The repository has no branch or tag 'no-such-branch'");
    expect(refused.stdout).toMatch(/Tracked files in .* have local changes: src\/server.js/);
    expect(refused.stdout).toContain(`${beside} is open to other users: its mode is 0755`);
    expect(homeFiles()).toEqual(changed);
    chmodSync(beside, 0o700);
  });

  test("a check refuses npm in cluster mode by the commit's own ecosystem file, and changes nothing", async () => {
    const files = site.files({
      version: 'E',
      settings: { script: 'npm', args: 'start', exec_mode: 'cluster' },
    });
    files['package.json'] = JSON.stringify({ name: 'shop', scripts: { start: 'node dist/server.js' } });
    const ref = site.commit({ files });
    const before = await homeFilesAtRest();
    for (const asked of [ref, 'main']) {
      const checked = await site.deploy({ mode: 'check', ref: asked });
      expect(checked, checked.stdout).toMatchObject({ code: 1, outputs: { outcome: 'failed' } });
      expect(checked.stdout).toContain("'shop' cannot run in cluster mode, because its script is npm.");
      expect(checked.stdout).toContain(
        "set \"script: 'dist/server.js', exec_mode: 'cluster', instances: 2\"",
      );
    }
    expect(homeFiles()).toEqual(before);
  });

  test('a status, and a check, of an app that is down are red, and say DOWN first', async () => {
    await site.host.pm2(['stop', 'shop']);
    const short = shas.B?.slice(0, 7);
    const said = `shop is DOWN on host-1: ${short} runs 0 of 2 instances`;
    const told = await site.deploy({ mode: 'status' });
    expect(told, told.stdout).toMatchObject({ code: 1, outputs: { outcome: 'failed', sha: shas.B } });
    expect(told.summary.split('\n')[0]?.replaceAll('`', '')).toBe(`### 🔴 ${said}`);
    expect(told.commands.filter(({ name }) => name === 'error')).toMatchObject([
      { properties: { title: said } },
    ]);
    expect(told.stdout).toMatch(/Health +The live app is not healthy: /);
    const checked = await site.deploy({ mode: 'check', ref: shas.C ?? '' });
    expect(checked, checked.stdout).toMatchObject({ code: 1, outputs: { outcome: 'failed' } });
    expect(checked.summary).toMatch(/^### 🔴 shop is DOWN on host-1: /);
  });
});
