import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { LEASE, type Outcome } from '../../src/protocol.ts';
import type { ActionRun } from '../rig/action.ts';
import type { FixtureOptions } from '../rig/fixture-app.ts';
import { startLoad } from '../rig/load.ts';
import { poll } from '../rig/poll.ts';
import { startRelay, throughRelay } from '../rig/relay.ts';
import { type Cell, inForkMode, type Moment, type Version } from './cells.ts';
import { clientOf, type Fault, followOf, type Scene } from './faults.ts';
import {
  buildSum,
  eventsOf,
  liveSum,
  programsOf,
  runFile,
  runsOf,
  startsOf,
  versionsServed,
} from './host-state.ts';
import { deployNext, type NextDeploy } from './next-deploy.ts';
import { type FaultSite, HOLDING, holdAt, releaseAll, slowDirectory } from './site.ts';

export interface CellResult extends NextDeploy {
  /** How the deploy that was struck ended on the host; `cut off` where its program had no chance to say. */
  outcome: Outcome | 'cut off';
  /** Why the struck deploy did not end well, in its own words. */
  said: string;
  /** What served (`old`, `new`, `none`), and which version's files lay there, before the next deploy. */
  served: string[];
  files: 'old' | 'new' | 'neither';
  durationMs: number;
}

const REACHED_WITHIN = 60_000;
const ENDS_WITHIN = 90_000;
/** An app that is restarted loses many times as much. */
const FEW = 5;

/** What is wrong with a version, and how it is deployed. */
const VERSIONS: Record<Version, { flaw?: FixtureOptions['flaw']; inputs?: Record<string, string> }> = {
  good: {},
  broken: { flaw: 'throws at boot' },
  'broken, no canary': { flaw: 'throws at boot', inputs: { canary: 'off' } },
  'good, in fork mode': {},
  // So late that it has taken over by then.
  'turning bad, in fork mode': {
    flaw: 'turns bad after 5 s',
    inputs: { canary: 'off', 'stable-for': '8s' },
  },
  'good, in releases': {},
  'broken, no canary, in releases': { flaw: 'throws at boot', inputs: { canary: 'off' } },
};

/** Deploys under load, breaks one thing at one moment, deploys again, and looks at all that must hold. */
export async function runCell(faultSite: FaultSite, { fault, moment }: Cell): Promise<CellResult> {
  const started = performance.now();
  const { site } = faultSite;
  const old = faultSite.live;
  const { flaw, inputs } = VERSIONS[moment.version];
  const struck = faultSite.commitNext(flaw);
  if (faultSite.kind.releases) faultSite.writeOwn();
  const problems: string[] = [];
  const relay = await startRelay(site.host.ssh.port);
  const given = {
    ...throughRelay(relay, site.host.access),
    'shell-init': HOLDING,
    ...inputs,
    ref: struck.sha,
  };
  const load = startLoad({ url: `http://127.0.0.1:${site.port}/version`, connections: 6, pause: 25 });
  const before = runsOf(site);
  try {
    holdAt(faultSite, moment.hold);
    for (const name of ['install', 'build'] as const)
      if (moment.hold === name) mkdirSync(slowDirectory(faultSite, name));
    const starts = startsOf(site, moment.hold);
    const action = site.start(given);
    const program = await reached(faultSite, action.done);
    const [run = ''] = runsOf(site).filter((name) => !before.includes(name));
    // PM2's command may end as soon as its worker is seen, where that is all that it starts.
    if (fault.client !== true || !(moment.hold.startsWith('canary') || inForkMode(moment.version)))
      await furtherSeen(
        faultSite,
        moment,
        run,
        moment.hold.startsWith('rolling-back') ? startsOf(site, moment.hold) : starts,
      );

    const scene: Scene = {
      fault: faultSite,
      action,
      relay,
      program,
      post: (main) => site.post(main.exported.state, given),
    };
    fault.strike(scene);
    goOn(program);
    if (!waitsForCancel(fault)) releaseAll(faultSite);
    await followOf(fault)(scene);
    const within = ENDS_WITHIN + (fault.lease === true ? LEASE : 0);
    await poll('the end of the host program', within, () => programsOf(site).length === 0);
    releaseAll(faultSite);
    relay.cut();
    faultSite.disk?.free();

    const end = eventsOf(site, run).find((event) => event.type === 'end');
    const outcome = end?.type === 'end' ? end.result.outcome : 'cut off';
    const said = (end?.type === 'end' && end.result.failure?.message) || '';
    const found = await look(faultSite, old, struck);
    const expected = outcome === 'deployed' ? 'new' : 'old';
    if (fault.open !== true || outcome !== 'cut off') {
      if (found.files !== expected) problems.push(`${outcome}, and the files are ${found.files}`);
      if (fault.costs === undefined && found.served.join() !== expected)
        problems.push(`${outcome}, and ${found.served.join(' and ')} serve`);
      if (outcome === 'cut off' || outcome === 'rollback-failed')
        problems.push(`it ended as ${outcome}: ${said}`);
    }
    const wanted = flaw === undefined ? struck : faultSite.commitNext();
    const next = await deployNext(faultSite, wanted, load);
    const lost = next.requests.failed + next.nextRequests.failed;
    if (fault.costs === undefined && lost > FEW)
      problems.push(`${lost} requests were lost: ${JSON.stringify(next.failures)}`);
    return {
      outcome,
      said,
      ...found,
      ...next,
      problems: [...problems, ...next.problems],
      durationMs: performance.now() - started,
    };
  } finally {
    releaseAll(faultSite);
    faultSite.disk?.free();
    await load.stop();
    await relay.stop();
  }
}

/** Waits until the program has stopped itself, and gives its pid. */
export async function reached({ control }: FaultSite, done: Promise<ActionRun>): Promise<number> {
  let ended: ActionRun | null = null;
  void done.then((run) => {
    ended = run;
  });
  return poll('the moment', REACHED_WITHIN, () => {
    const mark = readdirSync(control).find((name) => name.startsWith('reached.'));
    if (mark === undefined) {
      if (ended !== null)
        throw new Error(`the deploy ended before the moment came:\n${(ended as ActionRun).stdout}`);
      return null;
    }
    const pid = Number(mark.slice('reached.'.length));
    return stateOf(pid) === 'T' && pid;
  });
}

/** The result of a cell that could not be carried out. */
export function notRun(error: unknown): CellResult {
  const none = { sent: 0, failed: 0 };
  return {
    outcome: 'cut off',
    requests: none,
    nextRequests: none,
    said: '',
    failures: {},
    served: [],
    files: 'neither',
    reconciled: '',
    next: 'none',
    problems: [error instanceof Error ? (error.stack ?? error.message) : String(error)],
    durationMs: 0,
  };
}

async function furtherSeen(
  faultSite: FaultSite,
  { until, hold }: Moment,
  run: string,
  starts: number,
): Promise<void> {
  const { site } = faultSite;
  // A command that has ended has started all that it starts, maybe before the starts were counted.
  const isStarted = (): boolean => startsOf(site, hold) > starts || clientOf(faultSite) === null;
  if (until === 'a new worker') await poll(until, REACHED_WITHIN, isStarted);
  if (until === 'the canary listens') {
    const report = runFile(site, run, 'canary-0.ndjson');
    await poll(
      until,
      REACHED_WITHIN,
      () => existsSync(report) && readFileSync(report, 'utf8').includes('"at":'),
    );
  }
}

/** A command that is slow must still run when the cancel comes, or the end of the lease. */
function waitsForCancel(fault: Fault): boolean {
  return fault.follow !== undefined || fault.lease === true;
}

export async function look(
  faultSite: FaultSite,
  old: FaultSite['live'],
  struck: FaultSite['live'],
): Promise<Pick<CellResult, 'served' | 'files'>> {
  const { site } = faultSite;
  const sum = liveSum(faultSite);
  const files =
    sum === (await buildSum(site, struck.sha))
      ? 'new'
      : sum === (await buildSum(site, old.sha))
        ? 'old'
        : 'neither';
  const names: Record<string, string> = { [old.version]: 'old', [struck.version]: 'new' };
  return { served: (await versionsServed(site)).map((version) => names[version] ?? version), files };
}

function goOn(program: number): void {
  try {
    process.kill(program, 'SIGCONT');
  } catch {
    // It is what was struck.
  }
}

function stateOf(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2)[0] ?? null;
  } catch {
    return null;
  }
}
