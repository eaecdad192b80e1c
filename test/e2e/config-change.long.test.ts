import { readFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { AppConfig } from '../../src/host/pm2/app-config.ts';
import { type Instance, parseList } from '../../src/host/pm2/list.ts';
import { openRpc } from '../../src/host/pm2/rpc.ts';
import { baselineConfig } from '../../src/host/pm2/running-config.ts';
import type { ActionRun, StartedAction } from '../rig/action.ts';
import type { Host } from '../rig/host.ts';
import { hostProgramOf } from '../rig/leftovers.ts';
import { startLoad } from '../rig/load.ts';
import { NEWEST, RUNTIMES } from '../rig/pm2.ts';
import { createSite, type Site } from '../rig/site.ts';

/** One app lives through changes of its ecosystem file, under load; each test leaves it to the next one. */
describe.each(RUNTIMES)('$name', (runtime) => {
  let site: Site;
  let host: Host;
  let app: AppConfig;
  let version = 0;

  beforeAll(async () => {
    site = await createSite(runtime, {
      inputs: { canary: 'off', 'stable-for': '500ms', 'health-timeout': '10s' },
    });
    ({ host } = site);
    app = {
      name: 'shop',
      script: 'dist/server.js',
      exec_mode: 'cluster',
      instances: 2,
      wait_ready: true,
      listen_timeout: 3000,
      kill_timeout: 2000,
      args: '--first',
      env: { PORT: String(site.port), LEAVES: 'soon', STAYS: 'on' },
    };
    await host.pm2(['ping']);
    const run = await deploy();
    expect(run, run.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed' } });
  });
  afterAll(() => site?.stop());

  interface Options {
    /** Of the ecosystem file, for this deploy and, if it is good, all that follow. */
    changes?: AppConfig;
    inputs?: Record<string, string>;
    /** Runs first in the new version's process. */
    program?: string;
  }

  async function deploy(options: Options = {}): Promise<ActionRun> {
    const run = await startDeploy(options).done;
    if (run.code === 0) app = { ...app, ...options.changes };
    return run;
  }

  function startDeploy({ changes = {}, inputs = {}, program = '' }: Options): StartedAction {
    version++;
    const files = site.files({ version: String(version) });
    const next = { ...app, ...changes };
    const server = `${program}\n${files['src/server.js']}`;
    Object.assign(files, {
      'src/server.js': server,
      'build.js': `${files['build.js']}\nfs.copyFileSync('src/server.js', 'dist/other.js');\n`,
      'ecosystem.config.js': `module.exports = { apps: [${JSON.stringify(next)}] };\n`,
    });
    return site.start({ ref: site.commit({ files }), ...inputs });
  }

  /** The same under load, with what its visitors saw. */
  async function deployUnderLoad(options: Options) {
    const load = startLoad({ url: `http://127.0.0.1:${site.port}/version` });
    await load.sees(await site.served(), 10_000);
    const run = await deploy(options);
    return { run, load: await load.stop() };
  }

  const processEnv = (pid: number): string => readFileSync(`/proc/${pid}/environ`, 'utf8');

  async function list(): Promise<Instance[]> {
    const rpc = await openRpc(host.pm2Home, 5_000);
    if (rpc === null) throw new Error('no daemon');
    const instances = parseList(await rpc.call('getMonitorData', [{}], 5_000));
    rpc.close();
    return instances.filter(({ name }) => name === 'shop');
  }
  const numbers = async (): Promise<(number | null)[]> =>
    (await list()).map(({ instanceNumber }) => instanceNumber).sort();

  test('2 -> 4 instances, another script, cwd, args, log file and no wait_ready: nothing is lost', async () => {
    const changes: AppConfig = {
      instances: 4,
      script: 'other.js',
      cwd: 'dist',
      args: '--second',
      error_file: 'err.log',
      wait_ready: false,
    };
    const pids = await host.pids('shop');
    const refused = await deploy({ changes, inputs: { 'on-config-change': 'fail' } });
    expect(refused, refused.stdout).toMatchObject({ code: 1, outputs: { outcome: 'failed' } });
    expect(refused.stdout).toMatch(
      /'shop': instances 2 -> 4; cwd \S+shop -> \S+shop\/dist; script \S+server\.js ->/,
    );
    expect(refused.stdout).toContain("Run on the server 'pm2 delete shop'. Then run this job again");
    expect(await host.pids('shop')).toEqual(pids);

    const { run, load } = await deployUnderLoad({ changes });
    expect(run, run.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed' } });
    expect(run.stdout).toContain('2 will be added when the others run the new version.');
    expect(load.failures).toEqual({});
    const dist = path.join(host.directory, 'shop/dist');
    const instances = await list();
    for (const instance of instances) {
      expect(instance).toMatchObject({
        cwd: dist,
        script: path.join(dist, 'other.js'),
        args: ['--second'],
        errLogPath: path.join(dist, `err-${instance.pmId}.log`),
        waitReady: false,
        status: 'online',
      });
    }
    expect(new Set(instances.map(({ deployId }) => deployId)).size).toBe(1);
    expect(await numbers()).toEqual([0, 1, 2, 3]);
  });

  test('5 -> 2 instances and a variable removed: the first two stay, the variable is gone, nothing is lost', async () => {
    await host.pm2(['scale', 'shop', '5']);
    const { run, load } = await deployUnderLoad({
      changes: { instances: 2, env: { PORT: String(site.port), STAYS: 'on' } },
    });
    expect(run, run.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed' } });
    expect(run.stdout).toContain("'shop': instances 5 -> 2; variable LEAVES removed.");
    expect(load.failures).toEqual({});
    expect(await numbers()).toEqual([0, 1]);
    for (const { env, pid } of await list()) {
      expect(env).toMatchObject({ STAYS: 'on', HOME: host.directory });
      expect(env).not.toHaveProperty('LEAVES');
      expect(processEnv(pid)).not.toContain('LEAVES');
    }
  });

  if (runtime !== NEWEST) return;

  test('a version that fails in the instance that is added alone goes back to exactly what ran', async () => {
    const before = baselineConfig(await list());
    const { run, load } = await deployUnderLoad({
      changes: {
        instances: 3,
        script: 'dist/server.js',
        cwd: '.',
        args: '--third',
        env: { ...(app.env as object), ADDED: 'by the bad one' },
      },
      // Longer than it takes to boot and crash: until then nothing tells it from a good one.
      inputs: { 'stable-for': '5s' },
      program: `if (process.env.NODE_APP_INSTANCE === '2') throw new Error('too many of us');`,
    });
    expect(run, run.stdout).toMatchObject({ code: 1, outputs: { outcome: 'rolled-back' } });
    expect(baselineConfig(await list())).toEqual(before);
    expect(await numbers()).toEqual([0, 1]);
    expect(load.failures).toEqual({});
  });

  test('another exec_mode: a stop and a start, said beforehand, both ways', async () => {
    const before = baselineConfig(await list());
    const fork: AppConfig = { exec_mode: 'fork', instances: 1 };
    const broken = await deploy({ changes: fork, program: 'throw new Error("no");' });
    expect(broken, broken.stdout).toMatchObject({ code: 1, outputs: { outcome: 'rolled-back' } });
    expect(broken.stdout).toContain(
      "'shop': exec_mode cluster -> fork. This needs a stop and a start. Expect up to 5 s",
    );
    expect(baselineConfig(await list())).toEqual(before);

    const forked = await deploy({ changes: fork });
    expect(forked, forked.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed' } });
    expect(await list()).toMatchObject([{ execMode: 'fork', status: 'online' }]);
    const { run, load } = await deployUnderLoad({ changes: { exec_mode: 'cluster', instances: 2 } });
    expect(run, run.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed' } });
    expect(await list()).toMatchObject([{ execMode: 'cluster' }, { execMode: 'cluster' }]);
    expect((await list())[0]?.env).toMatchObject({ STAYS: 'on', HOME: host.directory });
    expect(load.failed).toBeGreaterThan(0);
    expect(load.failingForMs).toBeLessThan(5_000);
  });

  test.each<[string, AppConfig, (instances: number) => boolean]>([
    ['an instance was added', { instances: 5 }, (instances) => instances === 3],
    ['all were stopped', { exec_mode: 'fork', instances: 1 }, (instances) => instances === 0],
  ])(
    'killed when %s: the same job ends it one way or the other, and the next deploy brings about what its file says',
    async (_, changes, reached) => {
      const before = baselineConfig(await list());
      const action = startDeploy({ changes });
      await expect.poll(async () => reached((await list()).length), { interval: 5 }).toBe(true);
      process.kill(hostProgramOf(host.directory), 'SIGKILL');
      const killed = await action.done;
      expect(killed.stdout).toContain('was killed, or crashed, in activating');
      expect(['deployed', 'rolled-back'], killed.stdout).toContain(killed.outputs.outcome);
      const run = await deploy();
      expect(run, run.stdout).toMatchObject({ code: 0 });
      expect(baselineConfig(await list())).toEqual(before);
    },
  );
});
