import { type Elsewhere, judge, type Verdict } from '../health/health.ts';
import { complaintAbout } from '../health/health-request.ts';
import { endedWell, endsByItself } from '../health/job.ts';
import { accepts } from '../health/listening.ts';
import { directoriesOf } from '../health/verify.ts';
import type { DeployApp } from '../pm2/app-config.ts';
import { DEPLOY_ID, type Instance } from '../pm2/list.ts';
import type { Pm2 } from '../pm2/session.ts';
import { startTicks } from '../system/processes.ts';
import type { Chosen } from './choice.ts';
import { localPort } from './local-url.ts';
import { type CanaryReport, readReport } from './preload.ts';

/** One instance of the new version, aside. */
export interface Canary extends Chosen {
  /** In PM2's list, and in words. */
  name: string;
  title: string;
  config: DeployApp;
  /** As of `Expected`. */
  elsewhere: Elsewhere | null;
  report: string;
  /** Absolute paths, without suffix, of what PM2 and the preload make. */
  files: string;
}

/** On the host itself a slower answer is not healthy. In milliseconds. */
const ACCEPTS_WITHIN = 2_000;

/** What is known of the canaries beside PM2's list. */
export interface Heard {
  /** Whether PM2's command, which starts them, has ended. */
  startEnded(): boolean;
  /** Errors that nothing caught, as sentences. */
  thrown(): string[];
}

/** Looks at all canaries once. The first one that is not healthy decides. */
export function lookAt(
  pm2: Pm2,
  canaries: readonly Canary[],
  healthUrl: string | null,
  heard: Heard,
): () => Promise<Verdict> {
  const first = new Map<string, Instance>();
  return async () => {
    const ended = heard.startEnded();
    const list = await pm2.list();
    const verdicts = await Promise.all(
      canaries.map(async (canary): Promise<Verdict> => {
        const found = list.find(({ name }) => name === canary.name);
        if (found === undefined) {
          const why = `PM2 does not list '${canary.title}'`;
          return ended ? { kind: 'broken', why } : { kind: 'pending', why, planned: false };
        }
        const one = { ...found, name: canary.title };
        if (one.pid > 0 && !first.has(canary.name)) first.set(canary.name, one);
        const alone = judgeAlone(canary, one, first.get(canary.name) ?? one);
        if (alone.kind === 'broken') return alone;
        // What it does not answer tells more than PM2's word for it.
        const answer = await answers(canary, healthUrl);
        if (answer.kind === 'healthy') return alone;
        // A boot that ends in a rejection never listens, so there is no point in waiting.
        const thrown = heard.thrown().find((sentence) => sentence.startsWith(`'${canary.name}'`));
        const deaf = deafOn(canary);
        if (thrown === undefined || deaf === null) return answer;
        return { kind: 'broken', why: `${thrown.replace(canary.name, canary.title)}, and it ${deaf}` };
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
  // PM2 6 keeps `online` for a process that has ended and is not restarted.
  if (['stopped', 'errored'].includes(one.status) || (one.status === 'online' && ticks === null)) {
    const { app, ports, title } = canary;
    if (endsByItself(app) && ports.length === 0 && endedWell(one)) return { kind: 'healthy' };
    const code = one.exitCode ? ` with exit code ${one.exitCode}` : '';
    return { kind: 'broken', why: `the process of '${title}' has ended${code}` };
  }
  const { elsewhere } = canary;
  const empty = { at: Date.now(), thrown: [], orphans: [], accepting: new Set<number>(), complaint: null };
  return judge(
    {
      deployId: String(canary.config.env[DEPLOY_ID]),
      instances: { [canary.title]: 1 },
      ports: [],
      after: null,
      knownOrphans: [],
      healthUrl: null,
      elsewhere,
    },
    {
      ...empty,
      instances: [one],
      startTicks: new Map(ticks === null ? [] : [[one.pid, ticks]]),
      directories: elsewhere === null ? new Map() : directoriesOf([one]),
    },
    { ...empty, instances: [then], startTicks: new Map(), directories: new Map() },
  );
}

/** Where a canary listens in place of this port, as its report tells; undefined if it does not. */
function listenerFor(
  { byChance }: Canary,
  port: number,
  { listens }: CanaryReport,
): CanaryReport['listens'][number] | undefined {
  const wanted = byChance.includes(port) ? [port, 0] : [port];
  return [...listens].reverse().find((listen) => wanted.includes(listen.port ?? -1));
}

function doesNotListen(title: string, port: number, { listens }: CanaryReport): string {
  const why = `'${title}' does not listen on port ${port}`;
  if (listens.length === 0) return why;
  const elsewhere = listens.map(({ port }) => port || (port === 0 ? 'any free port' : 'a socket')).join(', ');
  const [{ port: other } = { port: null }] = listens;
  const move = other
    ? `. If its port has changed, set "PORT: ${other}" in the env of the ecosystem file`
    : '';
  return `${why} but on ${elsewhere}${listens.length === 1 ? move : ''}`;
}

/** Where a canary does not listen and has to, after "it"; null if it listens wherever it has to. */
function deafOn(canary: Canary): string | null {
  const report = readReport(canary.report);
  if (report.listens.length === 0) return 'listens nowhere';
  const missing = canary.ports.find((port) => listenerFor(canary, port, report) === undefined);
  return missing === undefined ? null : `does not listen on port ${missing}`;
}

async function answers(canary: Canary, healthUrl: string | null): Promise<Verdict> {
  const { title, ports, report } = canary;
  const told = readReport(report);
  const asked = localPort(healthUrl);
  for (const port of ports) {
    const there = listenerFor(canary, port, told);
    if (there === undefined)
      return { kind: 'pending', why: doesNotListen(title, port, told), planned: false };
    if (!(await accepts(there.at, '127.0.0.1', ACCEPTS_WITHIN)))
      return { kind: 'pending', why: `'${title}' accepts no connections on port ${port}`, planned: false };
    const complaint =
      healthUrl !== null && asked === port ? await complaintAbout(healthUrl, { at: there.at }) : null;
    if (complaint !== null) return { kind: 'pending', why: `'${title}': ${complaint}`, planned: false };
  }
  return { kind: 'healthy' };
}
