import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type DeployApp, expectedInstances } from '../app-config.ts';
import { type Context, inform, warn } from '../context.ts';
import { readAdded } from '../error-log.ts';
import { DeployFailure } from '../failure.ts';
import { judge, type Verdict } from '../health.ts';
import { complaintAbout } from '../health-url.ts';
import { accepts } from '../listening.ts';
import { DEPLOY_ID, type Instance } from '../pm2/list.ts';
import type { Pm2 } from '../pm2/session.ts';
import { startTicks } from '../processes.ts';
import { reloadFailure, untilStable } from '../verify.ts';
import type { Chosen } from './choice.ts';
import { CANARY_OF, canaryConfig } from './config.ts';
import { localPort } from './local-url.ts';
import { type CanaryReport, preloadText, readReport } from './preload.ts';

/** A version and its surroundings, as far as a canary needs them. */
export interface Trial {
  staging: string;
  chosen: readonly Chosen[];
  /** What PM2 runs of these apps now, and the variables of each that its ecosystem file does not give. */
  running: readonly Instance[];
  inheritedBy: (app: DeployApp) => Record<string, string>;
  /** What must answer 2xx, absolute; null where nothing is requested. */
  healthUrl: string | null;
}

/** How long an app took to boot in its canary, in milliseconds; null where it never listened, or never said ready. */
export interface Boot {
  name: string;
  listenMs: number | null;
  readyMs: number | null;
}

interface Canary extends Chosen {
  /** In PM2's list, and in words. */
  name: string;
  title: string;
  config: DeployApp;
  report: string;
  /** Absolute paths, without suffix, of what PM2 and the preload make. */
  files: string;
}

const ACCEPTS_WITHIN = 2_000;
const LOG_LINES = 30;

/**
 * Boots one instance of each chosen app of the version in staging, beside the live ones and out of reach of every visitor,
 * and resolves once all of them were healthy for `stable-for`; rejects with a `DeployFailure` where they are not. Either
 * way nothing of them is left.
 */
export async function tryCanaries(context: Context, trial: Trial): Promise<Boot[]> {
  const { pm2, plan, runner } = context;
  const canaries = trial.chosen.map((chosen, at) => prepare(context, trial, chosen, at));
  const stream = pm2.hearErrors(canaries.map(({ name }) => name));
  const command = pm2.startOrReload(
    canaries.map(({ config }) => config),
    [],
    null,
    () => {},
  );
  let ended = false;
  // Where it fails, the look that comes next tells.
  const done = command.done.finally(() => {
    ended = true;
  });
  done.catch(() => {});
  let failed = true;
  try {
    const asked = canaries.filter(({ ports }) => ports.includes(localPort(trial.healthUrl) ?? -1));
    if (trial.healthUrl !== null && asked.length === 0)
      inform(
        context.log,
        `The canary is not asked for health-url, since ${trial.healthUrl} does not name its port on this host.`,
      );
    await untilStable(
      look(pm2, canaries, trial.healthUrl, () => ended),
      plan,
      runner.cancelled,
    );
    const result = await done;
    if (result.code !== 0) throw reloadFailure(result);
    failed = false;
    return canaries.map(({ app, ports, report }) => bootOf(app, ports, readReport(report)));
  } catch (error) {
    if (!(error instanceof DeployFailure) || runner.cancelled.aborted) throw error;
    const heard = stream.lines();
    throw new DeployFailure(error.message, {
      remedy: error.remedy,
      output: error.output,
      appLog: (heard.length > 0 ? heard : lastErrors(canaries)).slice(-LOG_LINES),
      cause: error,
    });
  } finally {
    command.abort();
    await done.catch(() => {});
    stream.close();
    await removeCanaries(context).catch((error: Error) => {
      if (!failed) throw error;
      warn(context.log, `The canary could not be removed: ${error.message} The next deploy tries again.`);
    });
    for (const { files } of canaries) for (const suffix of SUFFIXES) rmSync(files + suffix, { force: true });
  }
}

const SUFFIXES = ['.cjs', '.ndjson', '-out.log', '-error.log', '.pid'];

/** Stops the canaries of this app that PM2 has, gracefully, whichever deploy left them, and takes them from its list. */
export async function removeCanaries({ pm2, places }: Pick<Context, 'pm2' | 'places'>): Promise<void> {
  const left = (await pm2.list()).filter(({ env }) => env[CANARY_OF] === places.live);
  if (left.length > 0) await pm2.remove(left);
}

function prepare({ plan, places, runDir }: Context, trial: Trial, chosen: Chosen, at: number): Canary {
  const { app } = chosen;
  const name = `${app.name}-canary-${plan.deployId}`;
  const files = join(runDir, `canary-${at}`);
  const report = `${files}.ndjson`;
  const now = trial.running.filter((one) => one.name === app.name);
  const instanceVariable = typeof app.instance_var === 'string' ? app.instance_var : 'NODE_APP_INSTANCE';
  const number = Math.max(now.length, expectedInstances(app).count);
  writeFileSync(`${files}.cjs`, preloadText(report, { name: app.name, [instanceVariable]: String(number) }), {
    mode: 0o600,
  });
  const config = canaryConfig(app, {
    name,
    live: places.live,
    staging: trial.staging,
    preload: `${files}.cjs`,
    files,
    pm2Env: plan.pm2Env,
    inherited: trial.inheritedBy(app),
    runsNow: now.length > 0,
  });
  return { ...chosen, name, title: `${app.name} (canary)`, config, report, files };
}

/** Looks at all canaries once; the first of them that is not healthy decides. */
function look(
  pm2: Pm2,
  canaries: readonly Canary[],
  healthUrl: string | null,
  startEnded: () => boolean,
): () => Promise<Verdict> {
  const first = new Map<string, Instance>();
  return async () => {
    const ended = startEnded();
    const list = await pm2.list();
    const verdicts = await Promise.all(
      canaries.map(async (canary): Promise<Verdict> => {
        const found = list.find(({ name }) => name === canary.name);
        if (found === undefined) {
          const why = `PM2 does not list '${canary.title}'`;
          return ended ? { kind: 'broken', why } : { kind: 'pending', why };
        }
        const one = { ...found, name: canary.title };
        if (one.pid > 0 && !first.has(canary.name)) first.set(canary.name, one);
        const alone = judgeAlone(canary, one, first.get(canary.name) ?? one);
        if (alone.kind === 'broken') return alone;
        // What it does not answer tells more than PM2's word for it.
        const answer = await answers(canary, healthUrl);
        return answer.kind === 'healthy' ? alone : answer;
      }),
    );
    return (
      verdicts.find(({ kind }) => kind === 'broken') ??
      verdicts.find(({ kind }) => kind === 'pending') ?? { kind: 'healthy' }
    );
  };
}

function judgeAlone(canary: Canary, one: Instance, then: Instance): Verdict {
  const ticks = one.pid > 0 ? startTicks(one.pid) : null;
  // PM2 6 keeps `online` for one that has ended and is not to be restarted.
  if (['stopped', 'errored'].includes(one.status) || (one.status === 'online' && ticks === null))
    return { kind: 'broken', why: `the process of '${canary.title}' has ended` };
  const empty = { strays: [], accepting: new Set<number>(), complaint: null };
  return judge(
    {
      deployId: String(canary.config.env[DEPLOY_ID]),
      instances: { [canary.title]: 1 },
      ports: [],
      after: null,
      knownStrays: [],
      healthUrl: null,
    },
    { ...empty, instances: [one], startTicks: new Map(ticks === null ? [] : [[one.pid, ticks]]) },
    { ...empty, instances: [then], startTicks: new Map() },
  );
}

async function answers({ title, ports, report }: Canary, healthUrl: string | null): Promise<Verdict> {
  const { listens } = readReport(report);
  const elsewhere = listens.map(({ port }) => port ?? 'a socket').join(', ');
  const asked = localPort(healthUrl);
  for (const port of ports) {
    const there = [...listens].reverse().find((listen) => listen.port === port);
    if (there === undefined) {
      const why = `'${title}' does not listen on port ${port}${elsewhere === '' ? '' : ` but on ${elsewhere}`}`;
      return { kind: 'pending', why };
    }
    if (!(await accepts(there.at, '127.0.0.1', ACCEPTS_WITHIN)))
      return { kind: 'pending', why: `'${title}' accepts no connections on port ${port}` };
    const complaint =
      healthUrl !== null && asked === port ? await complaintAbout(healthUrl, { at: there.at }) : null;
    if (complaint !== null) return { kind: 'pending', why: `'${title}': ${complaint}` };
  }
  return { kind: 'healthy' };
}

function lastErrors(canaries: readonly Canary[]): string[] {
  const logs = canaries.map(({ files }) => ({ errLogPath: `${files}-error.log` }));
  return readAdded({}, logs, LOG_LINES);
}

function bootOf(app: DeployApp, ports: readonly number[], { listens, readyMs }: CanaryReport): Boot {
  const times = listens.filter(({ port }) => port !== null && ports.includes(port)).map(({ ms }) => ms);
  return { name: app.name, listenMs: times.length === 0 ? null : Math.min(...times), readyMs };
}
