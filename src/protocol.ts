/**
 * All that crosses the wire between the runner (the action) and the host program.
 *
 * The runner sends one `Opening`, then `Control` messages; the host answers with `Event`s. Each travels as one
 * line of JSON. Raise `PROTOCOL_VERSION` whenever a shape changes: the two programs of one deploy are always of
 * the same build, but a journal on a host may have been written by an older one.
 */
export const PROTOCOL_VERSION = 15;

/** The states of a deploy on one host, in the order in which they are entered, then those of a rollback and of a removal. */
export const STATES = [
  'preflight',
  'locked',
  'fetched',
  'staged',
  'prepared',
  'canary',
  'activating',
  'verifying',
  'verified',
  'committed',
  'rolling-back',
  'rolled-back',
  'rollback-failed',
  'removing',
  'removed',
] as const;

export type State = (typeof STATES)[number];

/** What the action was asked to do. `check` and `status` change nothing. */
export const MODES = ['deploy', 'rollback', 'check', 'status', 'remove'] as const;

export type Mode = (typeof MODES)[number];

/** Whether nothing is changed on the host, so that nothing is left to be ended either. */
export function looksOnly({ mode }: { mode: Mode }): boolean {
  return mode === 'check' || mode === 'status';
}

export const OUTCOMES = [
  'deployed',
  'unchanged',
  'removed',
  'rolled-back',
  'rollback-failed',
  'failed',
] as const;

export type Outcome = (typeof OUTCOMES)[number];

/** The commands of a deploy that the user may give, in the order in which they run. */
export const STEPS = ['install', 'build', 'migrate', 'before-reload', 'after-reload'] as const;

export type StepName = (typeof STEPS)[number];

/** Our own choice for that step, nothing, or a shell command that the user wrote. */
export type Step = { kind: 'default' } | { kind: 'none' } | { kind: 'command'; command: string };

/** What one host is to do. Carries a secret (`gitToken`): it travels on stdin and is never written to a file. */
export interface Plan {
  protocol: number;
  mode: Mode;
  /** Unique to this deploy on every host; matches `/^[a-z0-9-]{8,64}$/`, so that it can be a file name. */
  deployId: string;
  /** Who deploys: shown to whoever waits for the lock, and in the history. */
  run: { repository: string; id: string; attempt: string; url: string; actor: string };
  /** The app's directory as the user gave it: absolute, `~/…`, or relative to the login's home. */
  path: string;
  /**
   * How `path` is laid out: it is the checkout itself, or it has a directory for each version. What `shared` names, relative to
   * `path` of a checkout, is one for all versions.
   */
  layout: { kind: 'in-place' } | { kind: 'releases'; shared: string[] };
  /** Where in `path` the app lives, relative, without `..`; empty for `path` itself. */
  workingDirectory: string;
  /** The container in which the host program runs, and what happens if `path` is lost with it; null on the host itself. */
  container: { name: string; pathVolatile: 'fail' | 'allow' } | null;
  /** `url` is what to clone; `given` says that the user named it, so that it beats the checkout's own origin. */
  repository: { url: string; given: boolean };
  /**
   * What git may show to `server`, `https://host[:port]`, where the host's own credentials do not open a repository there;
   * null if there is no token, or the server has no https.
   */
  gitToken: { value: string; server: string } | null;
  /**
   * A full commit id, or the name of a branch or tag. Null in `rollback` stands for the last verified version before the
   * current one; a `status` and a `remove` need none.
   */
  ref: string | null;
  /**
   * Where the commit comes from: git fetches it from `repository`, or the runner has sent it before, as a commit of its own. It was
   * built from the commit `builtFrom`.
   */
  source: { kind: 'git' } | { kind: 'upload'; builtFrom: string };
  /** Who chose `ref`: an input, or the event that the workflow runs for, which may be a fork's pull request. */
  refOrigin: 'input' | 'workflow' | 'fork';
  /** Whether `ref` may name a commit that no branch or tag of the repository contains. */
  allowUntrackedRef: boolean;
  /** Whether to deploy over what a newer run of this repository has deployed. */
  force: boolean;
  /** Whether the runner decides, by how other hosts fare, when this host takes its lock and whether a verified version stays. */
  waits: boolean;
  steps: Readonly<Record<StepName, Step>>;
  /** Whether to install even if an earlier install could be reused. */
  freshInstall: boolean;
  /** Secret. What the app's env file is to hold, and its path in the working directory; null leaves the host's as it is. */
  envFile: { content: string; path: string } | null;
  /** Globs in the working directory of files that stay for pages that are open; null means those of known frameworks. */
  keepAssets: string[] | null;
  /** App names in the ecosystem file; empty means all of them. With `script`, the one name that it has in PM2. */
  apps: string[];
  /** The ecosystem file relative to the working directory; null means to look for it. */
  ecosystem: string | null;
  /** What PM2 runs if there is no ecosystem file, relative to the working directory; null if there is one. */
  script: string | null;
  /** PM2's `--env`. */
  pm2Env: string | null;
  /** The PM2 that is installed if there is none, and required if there is one: `7`, `7.0` or `7.0.4`; null takes any. */
  pm2Version: string | null;
  /** What happens where PM2's own reload would not apply what the config says. */
  onConfigChange: 'apply' | 'fail';
  /** What happens to local changes of tracked files in `path`: they end the deploy, or are saved as a patch and replaced. */
  localChanges: 'fail' | 'save';
  /** Whether PM2's dump is updated for these apps after a commit or a rollback. */
  save: boolean;
  /** How many versions stay on the disk beside the live one, so that a rollback to one needs no build. At least 1. */
  keepReleases: number;
  /** In a `status`: how many lines of each app's logs are told; 0 in every other mode. */
  logLines: number;
  /** Milliseconds, all of these. */
  commandTimeout: number;
  healthTimeout: number;
  stableFor: number;
  lockTimeout: number;
  /** Requested from the host itself: an absolute URL, or a path on the app's own port; null if there is none. */
  healthUrl: string | null;
  /** Which apps prove themselves in one instance aside before PM2 touches a live one: those that listen, all, or none. */
  canary: 'auto' | 'required' | 'off';
  /** Whether apps in fork mode are replaced by a second instance on the same port, where that is possible. */
  handover: 'auto' | 'off';
  /** Whether instances that PM2 stops first answer what is under way, where that is possible. */
  drain: 'auto' | 'off';
}

/** Why a deploy did not end as `deployed` or `unchanged`. All text in it comes from the host: hostile until rendered. */
export interface Failure {
  /** The state in which it went wrong. */
  state: State;
  /** One or two sentences: what happened, with what was given and what is taken. */
  message: string;
  /** What to do about it, or null if `message` says it all. */
  remedy: string | null;
  /** The failing command's last lines. */
  output: string[];
  /** The last lines of the apps that failed, of the new version and, after a failed rollback, of the old one. */
  appLogs: AppLog[];
  /** What is wrong with the live app's answer to `health-url` now, though this deploy did not touch it; else null. */
  live: string | null;
  /** Why the rollback failed as well; null in any other case. */
  rollback: string | null;
}

/** What PM2 has of one app. */
export interface AppCount {
  name: string;
  instances: number;
  online: number;
  /** Instances of a job that have done their work. */
  ended: number;
}

/** What the time of a deploy is spent on. */
export const ACCOUNTS = ['lock', 'git', ...STEPS, 'canary', 'pm2', 'verify'] as const;

export type Account = (typeof ACCOUNTS)[number];

/** What one app of one version wrote to its error log, up to its end. */
export interface AppLog {
  app: string;
  version: 'new' | 'old';
  lines: string[];
}

/** How a host ended. `sha` is the commit that is checked out there now; null if there is none, or nobody could look. */
export interface HostResult {
  mode: Mode;
  outcome: Outcome;
  sha: string | null;
  previousSha: string | null;
  /** The commit that was to go live; null if the deploy did not come that far, and in a `status`. */
  target: string | null;
  /** What git says of `target`; null if it does not know it. */
  commit: { subject: string; author: string } | null;
  /** The run that brought `previousSha`; empty if none of ours did. */
  previousRun: string;
  /** Instances in `path` that are online at the end and run `sha`; null if nobody could look. */
  instances: number | null;
  /** Instances in `path` that still run an older version, on the files of `sha`. */
  outdated: { name: string; instances: number }[];
  /** Whether a `health-url` was given. Without one, nobody has looked at a page. */
  asked: boolean;
  /** What runs from `path` at the end, by the app's name; null if PM2 could not be asked. */
  apps: AppCount[] | null;
  /** When each state was entered, in milliseconds since the start, oldest first; bounded. */
  states: { state: State; atMs: number }[];
  durationMs: number;
  /** Milliseconds by what they were spent on; what no entry claims is the host program's own overhead. */
  spent: Readonly<Record<Account, number>>;
  /** Versions in use, for the report: `node` runs the deploy and the app's commands. */
  versions: { node: string; pm2: string };
  /**
   * Requests to the health URL from just before the swap to the end of the verification, or of the rollback; null without
   * a health URL, and where nothing was swapped in. `failed` had no whole 2xx answer within 5 s. `downtimeMs` adds up
   * stretches of failures, each from its first request to the next good one, by when they were sent.
   */
  requests: { sent: number; failed: number; downtimeMs: number } | null;
  failure: Failure | null;
  /** Why the live app is not healthy, in a `status` and a `check`; null if it is, and in every other mode. */
  unhealthy: string | null;
  /** What a `status` has found; null in every other mode. */
  standing: Standing | null;
}

/** One deploy, or rollback, as the host's history has it. */
export interface PastDeploy {
  mode: Mode;
  outcome: Outcome;
  /** The commit that it was about; null if it did not come that far. */
  sha: string | null;
  /** When it ended, ISO 8601. */
  at: string;
  run: Plan['run'];
  /** Why the outcome is not a good one; null if it is. */
  reason: string | null;
}

/** What runs on a host, and how it came there. */
export interface Standing {
  /** By which deploy the live commit came there; null if none of ours brought it. */
  deployed: PastDeploy | null;
  apps: AppStanding[];
  /** The last lines of the apps' logs, if they were asked for. */
  logs: LogEnd[];
  /** What else there is to know: a deploy that goes on, or was interrupted. */
  remarks: string[];
  /** Newest first, bounded. */
  history: PastDeploy[];
}

/** What the two logs that PM2 keeps of an app are called. */
export const STREAMS = ['output', 'error'] as const;

/** The last lines of one log of an app. */
export interface LogEnd {
  app: string;
  stream: (typeof STREAMS)[number];
  lines: string[];
}

export const NOTICE_LEVELS = ['info', 'warning'] as const;

/** What prints lines that are shown. */
export const OUTPUT_SOURCES = [...STEPS, 'pm2'] as const;

/** A line of a file of the workflow's repository, for an annotation; `file` is relative to its root. */
export interface SourceLine {
  file: string;
  line: number;
}

/** One app, as PM2 lists it. */
export interface AppStanding extends AppCount {
  /** Online instances that still run an older version, on newer files. */
  outdated: number;
  /** Restarts since the last deploy, whatever their cause; null if that deploy did not note its own. */
  restarts: number | null;
}

export type Event =
  | { type: 'state'; state: State; atMs: number }
  /** `where`: the line that it is about. */
  | { type: 'notice'; level: (typeof NOTICE_LEVELS)[number]; text: string; where?: SourceLine | null }
  /** One line that a command printed. */
  | { type: 'output'; from: (typeof OUTPUT_SOURCES)[number]; text: string }
  /** With `waits`: preflight is done, and the host waits for `lock`. */
  | ({ type: 'ready' } & Readiness)
  /** With `waits`: the full id of the commit that is to go live. */
  | { type: 'target'; sha: string }
  /** Always the last event. */
  | { type: 'end'; result: HostResult };

/** What the runner has to know of a host before it decides about several. */
export interface Readiness {
  /** Tells the app's directory on this machine from every other one, under whatever name the machine was reached. */
  place: string;
  /** The commit that is checked out. */
  sha: string | null;
  /** Whether what was deployed last is healthy at this moment; true if nothing was. */
  healthy: boolean;
  /** In a `rollback` without a `ref`: the commit that it would go to here; null if there is none, and in every other mode. */
  previous: string | null;
}

/** The first line that the runner sends once the bootstrap has proved itself, or after an upload. */
export interface Opening {
  /**
   * Source texts of the follower and of the host program, with a NUL between them, deflated (zlib's format), in base64; null if they
   * came with the upload.
   */
  program: string | null;
  plan: Plan;
}

/** What decides about a deploy. Each may be said again: the first `done` or `roll-back` counts, and a cancel is final. */
export type Word =
  /** With `waits`: take the lock. `ref` is the plan's own, or the commit that it stands for on every host. */
  | { type: 'lock'; ref: string | null }
  /** The host is `prepared`: go on. Only with `migrate: false` does it leave out `migrate-command`. */
  | { type: 'go'; migrate?: boolean }
  /** With `waits`: the version stays once it is verified, or goes back. */
  | { type: 'done' }
  | { type: 'roll-back'; reason: string }
  | { type: 'cancel'; reason: string };

/** What the runner sends afterwards. Every one of them renews the lease. */
export type Control = { type: 'heartbeat' } | Word;

/** The runner sends a heartbeat this often, in milliseconds. */
export const HEARTBEAT_EVERY = 10_000;
/** A host that has heard nothing from the runner for this long, in milliseconds, goes on as if it were gone. */
export const LEASE = 120_000;

/**
 * What the runner sends before an `Opening`, so that the host has an upload before its deploy begins. A list follows once the runner
 * has read its files: a line `<id> <size>` for each git object of the upload. The host answers `lacks` with one bit for each. If it
 * lacks any, they come as one of git's pack files. Both come in frames: four bytes with the length of what follows, the highest
 * first, and none for the end. The host answers `received`, and takes the `Opening`. A `refused` is final.
 */
export interface Delivery {
  /** As in an `Opening`. */
  program: string;
  deliver: Pick<Plan, 'deployId' | 'path'>;
}

/** What the runner sends in place of an `Opening`, to follow a deploy that it has begun in an earlier session. */
export interface Rejoining {
  /** The deploy's id. */
  follow: string;
  /** Bytes of its events that the runner has already. */
  offset: number;
  /** Why nothing may begin under that id later, where nothing has begun yet. */
  refusal: string;
  /** What the program is given once more where it is gone without having come to an end, so that it ends what it began. */
  plan: Plan;
}
