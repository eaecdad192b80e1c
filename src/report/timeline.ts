import type { HostResult, State } from '../protocol.ts';

/** A stretch of a deploy; milliseconds since its start. */
export interface Stretch {
  state: State;
  from: number;
  to: number;
  failed: boolean;
}

/** Where a deploy spent its time: each state from its entry to the next one's. */
export function stretchesOf({ states, durationMs, outcome, failure }: HostResult): Stretch[] {
  return states.map(({ state, atMs }, at) => {
    const next = states[at + 1];
    const isLast = next === undefined;
    return {
      state,
      from: atMs,
      to: Math.max(atMs, next?.atMs ?? durationMs),
      failed:
        state === 'rollback-failed' ||
        next?.state === 'rolling-back' ||
        next?.state === 'rollback-failed' ||
        (isLast && outcome === 'failed' && failure !== null),
    };
  });
}

const TITLES: Readonly<Record<State, string>> = {
  preflight: 'look at the server',
  locked: 'lock',
  fetched: 'fetch',
  staged: 'install and build aside',
  prepared: 'check once more',
  canary: 'canary',
  activating: 'swap, PM2 reload',
  verifying: 'watched',
  verified: 'healthy',
  committed: 'save',
  'rolling-back': 'old version back, PM2 reload',
  'rolled-back': 'save',
  removing: 'removing',
  removed: 'removed',
  'rollback-failed': 'down',
};

/** A diagram in Mermaid's language, or null where there is too little to draw. All words in it are ours. */
export function timeline(result: HostResult): string | null {
  const whole = result.durationMs;
  const visible = stretchesOf(result).filter(({ from, to }) => to - from >= whole / 100);
  if (whole < 1_000 || visible.length < 2) return null;
  const rows = visible.map(({ state, from, to, failed }) => {
    const look = failed ? 'crit' : state === 'activating' || state === 'rolling-back' ? 'active' : 'done';
    return `  ${TITLES[state]} :${look}, ${Math.round(from)}, ${Math.round(to)}`;
  });
  return ['gantt', '  dateFormat x', '  axisFormat %M:%S', `  tickInterval ${tick(whole)}`, ...rows].join(
    '\n',
  );
}

/** About ten ticks. */
function tick(ms: number): string {
  const seconds = ms / 10_000;
  const fits = [1, 2, 5, 10, 20, 30].find((size) => size >= seconds);
  return fits === undefined ? `${Math.ceil(seconds / 60)}minute` : `${fits}second`;
}
