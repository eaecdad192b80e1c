import { isDeepStrictEqual } from 'node:util';
import type { ActionRun } from '../rig/action.ts';
import { freePort } from '../rig/free-port.ts';
import { type LoadResult, startLoad } from '../rig/load.ts';
import type { Runtime } from '../rig/pm2.ts';
import { endOfLog } from '../rig/runner-log.ts';
import { createSite, type Site } from '../rig/site.ts';
import { type LoadCase, plain } from './cases.ts';

/** What one case came to. */
export interface Row {
  title: string;
  instances: number;
  pm2: string;
  sent: number;
  failed: number;
  failures: Record<string, number>;
  /** From the first failed request to the last one. */
  failingForMs: number;
  outcome: string;
  /** From the action's start to its report. */
  seconds: number;
  /** What is not as the case has it; empty where all is. */
  wrong: string[];
  /** The job's log. */
  log: string;
}

/** A host that lives through case after case. */
export interface Lane extends AsyncDisposable {
  run(one: LoadCase): Promise<Row>;
}

const BRIEF = { 'stable-for': '2s', 'health-timeout': '20s' };

/** Starts a host whose app runs on so many instances. */
export async function startLane(runtime: Runtime, instances: number): Promise<Lane> {
  const site = await createSite(runtime);
  const otherPort = await freePort();
  let live: { version: string; is: unknown } = { version: '', is: null };
  let count = 0;

  const deploy = async (is: ReturnType<LoadCase['to']>, inputs: Record<string, string>) => {
    const version = `v${++count}`;
    const run = await site.deploy({ ref: site.commit({ version, ...is }), ...BRIEF, ...inputs });
    if (run.outputs.outcome === 'deployed') live = { version, is };
    return run;
  };
  /** The state that a case begins with is not what it measures: whatever is in its way is deleted. */
  const establish = async (is: ReturnType<LoadCase['to']>): Promise<void> => {
    if (isDeepStrictEqual(is, live.is)) return;
    for (const name of new Set((await site.host.instances()).map((one) => one.name)))
      await site.host.pm2(['delete', name]);
    const run = await deploy(is, { canary: 'off', 'stable-for': '500ms' });
    if (run.outputs.outcome !== 'deployed')
      throw new Error(`The case could not begin. ${endOfLog(run.stdout)}`);
  };

  return {
    async run(one) {
      await establish((one.from ?? plain)(instances, otherPort));
      const old = live.version;
      const pids = await site.host.pids();
      const load = startLoad({
        url: `http://127.0.0.1:${site.port}${one.asks ?? '/version'}`,
        connections: 10,
        pause: 20,
        timeLimit: 10_000,
      });
      let run: ActionRun;
      let result: LoadResult;
      try {
        await load.sees(old, 10_000);
        run = await deploy(one.to(instances, otherPort), one.inputs ?? {});
      } finally {
        result = await load.stop();
      }
      const { sent, failed, failures, failingForMs } = result;
      return {
        title: one.title,
        instances,
        pm2: runtime.pm2Version,
        sent,
        failed,
        failures,
        failingForMs,
        outcome: run.outputs.outcome ?? '',
        seconds: run.durationMs / 1000,
        wrong: await complaints(site, one, { run, result, old, live: live.version, pids }),
        log: run.stdout,
      };
    },
    [Symbol.asyncDispose]: () => site.stop(),
  };
}

interface Seen {
  run: ActionRun;
  result: LoadResult;
  /** The version before the deploy, and the one that has to serve now. */
  old: string;
  live: string;
  pids: readonly number[];
}

async function complaints(
  site: Site,
  one: LoadCase,
  { run, result, old, live, pids }: Seen,
): Promise<string[]> {
  const wrong: string[] = [];
  const expect = (is: boolean, otherwise: string): void => {
    if (!is) wrong.push(otherwise);
  };
  const { outcome } = run.outputs;
  expect(outcome === one.outcome, `the outcome is ${outcome}, not ${one.outcome}`);
  expect(one.says === undefined || run.stdout.includes(one.says), `the log does not say "${one.says}"`);
  expect(
    result.failed === 0 || one.mayFail !== undefined,
    `${result.failed} requests failed: ${JSON.stringify(result.failures)}`,
  );
  expect((await site.served()) === live, `${live} does not serve`);
  const all = await site.host.instances();
  expect(
    all.every(({ status }) => status === 'online'),
    'not every instance is online',
  );
  expect(
    all.every(({ name }) => ['shop', 'api'].includes(name)),
    `PM2 has ${all.map(({ name }) => name).join(', ')}`,
  );
  if (one.outcome === 'failed') {
    expect(
      Object.keys(result.versions).join() === old,
      `${Object.keys(result.versions)} served, not ${old} alone`,
    );
    expect(isDeepStrictEqual(await site.host.pids(), pids), 'live instances were replaced');
  }
  if (one.settings !== undefined) {
    const settings = await (await fetch(`http://127.0.0.1:${site.port}/settings`)).text();
    expect(settings === one.settings, `/settings answers "${settings}", not "${one.settings}"`);
  }
  return wrong;
}
