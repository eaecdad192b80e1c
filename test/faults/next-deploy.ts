import type { ActionRun } from '../rig/action.ts';
import type { Load } from '../rig/load.ts';
import { poll } from '../rig/poll.ts';
import { complaints, othersOf } from './host-state.ts';
import { type FaultSite, releaseAll } from './site.ts';

export interface Requests {
  sent: number;
  failed: number;
}

/** What the deploy after the one that met a fault came to. */
export interface NextDeploy {
  /** From the fault's deploy to before the next one, and in the next one. */
  requests: Requests;
  nextRequests: Requests;
  /** Failed requests by what became of them, over both deploys. */
  failures: Record<string, number>;
  /** What the next deploy said of what it found. */
  reconciled: string;
  next: string;
  /** What does not hold; empty for a cell that passes. */
  problems: string[];
}

const QUIET_WITHIN = 90_000;

/** Deploys again after what broke, and looks at all that must hold then. */
export async function deployNext(
  faultSite: FaultSite,
  wanted: FaultSite['live'],
  load: Load,
): Promise<NextDeploy> {
  const { site } = faultSite;
  const requests = counted(load);
  const run = await site.deploy({ ref: wanted.sha });
  releaseAll(faultSite);
  faultSite.live = wanted;
  await poll('quiet after the next deploy', QUIET_WITHIN, () => othersOf(site).length === 0).catch(() => {});
  const problems = [...problemsOf(run), ...(await complaints(faultSite, wanted.version, wanted.sha))];
  const whole = counted(load);
  return {
    requests,
    nextRequests: { sent: whole.sent - requests.sent, failed: whole.failed - requests.failed },
    failures: load.result().failures,
    reconciled: reconciledIn(run),
    next: run.outputs.outcome ?? 'none',
    problems,
  };
}

function counted(load: Load): Requests {
  const { sent, failed } = load.result();
  return { sent, failed };
}

function problemsOf(run: ActionRun): string[] {
  const isGreen = run.code === 0 && ['deployed', 'unchanged'].includes(run.outputs.outcome ?? '');
  return isGreen ? [] : [`the next deploy ended as ${run.outputs.outcome}:\n${run.stdout}`];
}

function reconciledIn({ stdout }: ActionRun): string {
  const found = /was interrupted in ([a-z-]+)[\s\S]*?(was committed|was rolled back|goes on from there)/.exec(
    stdout,
  );
  return found === null ? '' : `${found[1]}: ${found[2]}`;
}
