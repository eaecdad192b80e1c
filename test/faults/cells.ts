import { FAULTS, type Fault } from './faults.ts';

/** A version that is deployed when the fault comes. */
export type Version =
  | 'good'
  | 'broken'
  | 'broken, no canary'
  | 'good, in fork mode'
  | 'turning bad, in fork mode'
  | 'good, in releases'
  | 'broken, no canary, in releases';

/** Those in fork mode are of an app with one instance and no shutdown code, which a second one takes over from. */
export const inForkMode = (version: Version): boolean => version.endsWith('in fork mode');

/** Those of an app with a directory for each version. */
export const inReleases = (version: Version): boolean => version.endsWith('in releases');

/** A point in a deploy at which the host program is stopped for as long as it takes to break something. */
export interface Moment {
  /** The state's word in the table of docs/how-it-works.md, and where in it. */
  name: string;
  version: Version;
  /** As hold.cjs calls it. */
  hold: string;
  /** What else must be seen before the fault comes. */
  until?: 'a new worker' | 'the canary listens';
  /** PM2's own command runs then. */
  client?: true;
  /** Part of the bounded form. */
  bounded?: true;
  /** In the bounded form with these faults alone. */
  sampled?: readonly string[];
}

export const MOMENTS: readonly Moment[] = [
  { name: 'preflight', version: 'good', hold: 'preflight' },
  { name: 'locked', version: 'good', hold: 'locked' },
  { name: 'fetched', version: 'good', hold: 'fetch', bounded: true },
  { name: 'staged, in the install', version: 'good', hold: 'install' },
  { name: 'staged, in the build', version: 'good', hold: 'build', bounded: true },
  { name: 'prepared', version: 'good', hold: 'prepared' },
  {
    name: 'canary, as it starts',
    version: 'good',
    hold: 'canary: reload',
    until: 'a new worker',
    client: true,
    bounded: true,
  },
  { name: 'canary, as it serves', version: 'good', hold: 'canary: reload', until: 'the canary listens' },
  { name: 'activating, before the swap', version: 'good', hold: 'activating: before the swap' },
  { name: 'activating, in the swap', version: 'good', hold: 'activating: in the swap', bounded: true },
  { name: 'activating, as the index follows', version: 'good', hold: 'activating: index' },
  { name: 'activating, before the reload', version: 'good', hold: 'activating: before the reload' },
  {
    name: 'activating, in the reload',
    version: 'good',
    hold: 'activating: reload',
    until: 'a new worker',
    client: true,
    bounded: true,
  },
  { name: 'verifying', version: 'good', hold: 'verifying', bounded: true },
  { name: 'committed, before it is written', version: 'good', hold: 'committed' },
  { name: 'committed, half written', version: 'good', hold: 'committed: current saved', bounded: true },
  { name: "committed, in PM2's dump", version: 'good', hold: 'committed: saving' },
  { name: 'after the end', version: 'good', hold: 'ended' },
  {
    name: 'canary',
    version: 'broken',
    hold: 'canary: reload',
    until: 'a new worker',
    client: true,
    bounded: true,
  },
  {
    name: 'activating, in the reload',
    version: 'broken, no canary',
    hold: 'activating: reload',
    until: 'a new worker',
    client: true,
    bounded: true,
  },
  { name: 'rolling-back', version: 'broken, no canary', hold: 'rolling-back' },
  {
    name: 'rolling-back, in the swap',
    version: 'broken, no canary',
    hold: 'rolling-back: in the swap',
    bounded: true,
  },
  {
    name: 'rolling-back, waiting',
    version: 'broken, no canary',
    hold: 'rolling-back: transaction saved',
  },
  {
    name: 'rolling-back, before the reload',
    version: 'broken, no canary',
    hold: 'rolling-back: before the reload',
  },
  {
    name: 'rolling-back, in the reload',
    version: 'broken, no canary',
    hold: 'rolling-back: reload',
    until: 'a new worker',
    client: true,
    bounded: true,
  },
  { name: 'rolling-back, verifying', version: 'broken, no canary', hold: 'rolling-back: reloaded' },
  { name: 'rolled-back', version: 'broken, no canary', hold: 'rolled-back' },
  ...handover('good, in fork mode', 'activating'),
  { name: 'verifying', version: 'good, in fork mode', hold: 'verifying' },
  { name: 'committed, half written', version: 'good, in fork mode', hold: 'committed: current saved' },
  ...handover('turning bad, in fork mode', 'rolling-back'),
  { name: 'staged, in the build', version: 'good, in releases', hold: 'build' },
  {
    name: 'canary, as it starts',
    version: 'good, in releases',
    hold: 'canary: reload',
    until: 'a new worker',
    client: true,
  },
  {
    name: 'activating, before the link changes',
    version: 'good, in releases',
    hold: 'activating: before the link',
  },
  {
    name: 'activating, after the link has changed',
    version: 'good, in releases',
    hold: 'activating: link changed',
    sampled: ['host program killed', 'disk full'],
  },
  { name: 'activating, as the index follows', version: 'good, in releases', hold: 'activating: index' },
  {
    name: 'activating, in the reload',
    version: 'good, in releases',
    hold: 'activating: reload',
    until: 'a new worker',
    client: true,
    sampled: ['host program killed'],
  },
  { name: 'verifying', version: 'good, in releases', hold: 'verifying' },
  {
    name: 'committed, half written',
    version: 'good, in releases',
    hold: 'committed: current saved',
    sampled: ['host program killed'],
  },
  {
    name: "committed, as the app's files move",
    version: 'good, in releases',
    hold: 'committed: sharing',
    sampled: ['host program killed', 'disk full'],
  },
  { name: 'after the end', version: 'good, in releases', hold: 'ended' },
  {
    name: 'activating, in the reload',
    version: 'broken, no canary, in releases',
    hold: 'activating: reload',
    until: 'a new worker',
    client: true,
    sampled: ['connection reset'],
  },
  {
    name: 'rolling-back, after the link has changed',
    version: 'broken, no canary, in releases',
    hold: 'rolling-back: link changed',
    sampled: ['host program killed', 'disk full'],
  },
  {
    name: 'rolling-back, before the reload',
    version: 'broken, no canary, in releases',
    hold: 'rolling-back: before the reload',
  },
  {
    name: 'rolling-back, in the reload',
    version: 'broken, no canary, in releases',
    hold: 'rolling-back: reload',
    until: 'a new worker',
    client: true,
    sampled: ['SIGINT'],
  },
  {
    name: 'rolling-back, verifying',
    version: 'broken, no canary, in releases',
    hold: 'rolling-back: reloaded',
  },
];

/** The moments of a handover, on the way there and on the way back. */
function handover(version: Version, state: 'activating' | 'rolling-back'): Moment[] {
  return [
    {
      name: `${state}, before the second instance is started`,
      version,
      hold: `${state}: before the reload`,
    },
    {
      name: `${state}, as the second instance starts`,
      version,
      hold: `${state}: reload`,
      until: 'a new worker',
      client: true,
      bounded: true,
    },
    { name: `${state}, as the second instance boots`, version, hold: `${state}: reloaded` },
    { name: `${state}, as the first instance drains`, version, hold: `${state}: draining`, bounded: true },
  ];
}

/** One fault at one moment of one deploy. */
export interface Cell {
  fault: Fault;
  moment: Moment;
}

export const titleOf = ({ fault, moment }: Cell): string =>
  `${fault.name} @ ${moment.version}: ${moment.name}`;

/** Those that need a disk of their own come last, so that each lane changes its server once. */
export const CELLS: readonly Cell[] = FAULTS.flatMap((fault) =>
  MOMENTS.filter((moment) => isPossible(fault, moment)).map((moment) => ({ fault, moment })),
);

export const BOUNDED: readonly Cell[] = CELLS.filter(
  ({ fault, moment }) =>
    moment.sampled?.includes(fault.name) ??
    (moment.bounded === true && (fault.bounded?.includes(moment.hold) ?? true)),
);

function isPossible(fault: Fault, moment: Moment): boolean {
  if (fault.client === true && moment.client !== true) return false;
  if (fault.disk === true && inForkMode(moment.version)) return false;
  return fault.few !== true || moment.bounded === true;
}
