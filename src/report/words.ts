import { isCommitId } from '../event-parser.ts';
import {
  type AppLog,
  type Failure,
  type HostResult,
  type Mode,
  type Plan,
  STATES,
  type State,
} from '../protocol.ts';
import { hostSentence } from './hostile-text.ts';

/** What happens in each state, for a reader who does not know the word. */
export const STATE_WORDS: Readonly<Record<State, string>> = {
  preflight: 'looking at the server: Node, git, PM2, the app',
  locked: 'taking the lock: one deploy of this app at a time',
  fetched: 'fetching the commit',
  staged: 'installing and building beside the live app, which is not touched',
  prepared: 'built; checking the live directory once more',
  canary: 'trying one instance of the new version where no visitor reaches it',
  activating: 'swapping the files and reloading PM2',
  verifying: 'watching the new version',
  verified: 'the new version is healthy',
  committed: 'done: the new version stays',
  'rolling-back': 'going back to the old version',
  'rolled-back': 'done: everything is as it was before',
  'rollback-failed': 'the old version is not healthy either',
  removing: 'stopping the app, and taking its directory away',
  removed: 'done: the app and its directory are gone',
};

/** The same for one deploy, as far as it goes other ways. */
export function stateWords(state: State, plan: Pick<Plan, 'mode' | 'source'> | null): string {
  if (state !== 'fetched' || plan === null) return STATE_WORDS[state];
  if (plan.mode === 'rollback') return 'finding the version to go back to';
  return plan.source.kind === 'upload' ? 'taking in the files of the job' : STATE_WORDS.fetched;
}

/** The log's first line: what is about to happen. */
export function announcement({ mode, ref, path }: Plan, label: string): string {
  return `${ANNOUNCED[mode](ref)} ${label}, ${path}`;
}

const ANNOUNCED: Readonly<Record<Mode, (ref: string | null) => string>> = {
  deploy: (ref) => `Deploying ${ref} to`,
  rollback: (ref) => `Rolling back to ${ref ?? 'the last verified version before the current one'} on`,
  check: (ref) => `Checking whether ${ref} could be deployed to`,
  status: () => 'Looking at what runs on',
  remove: () => 'Removing the app from',
};

/** `4.2s`, `3m 05s`, `250ms`. */
export function formatDuration(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)}ms`;
  if (ms < 59_950) return `${(ms / 1_000).toFixed(1)}s`;
  const seconds = Math.round(ms / 1_000);
  return `${Math.floor(seconds / 60)}m ${String(seconds % 60).padStart(2, '0')}s`;
}

/** A commit id as people write it; null if this is not one, since a host may send anything. */
export function shortSha(sha: string | null): string | null {
  return sha !== null && isCommitId(sha) ? sha.slice(0, 7) : null;
}

/** How the deploy ended, in one or two sentences. Safe in a log line; not escaped for HTML. */
export function outcomeSentence(result: HostResult): string {
  const commit = shortSha(result.sha) ?? 'an unknown version';
  const reason = result.failure ? reasonOf(result.failure) : 'No reason was given.';
  const isRollback = result.mode === 'rollback';
  switch (result.outcome) {
    case 'deployed':
      return `${isRollback ? 'Rolled back as asked' : 'Deployed'}: ${commit} runs${on(result)}, healthy${asFarAs(result)}.${left(result)}${result.failure ? ` But then: ${reason}` : ''}`;
    case 'unchanged':
      if (result.mode === 'check')
        return `Checked: nothing stands in the way of a deploy. ${nowRuns(result)}`;
      if (result.mode === 'remove') return 'Unchanged: there is nothing to remove.';
      if (result.mode === 'status') return `Status: ${nowRuns(result)}`;
      return `Unchanged: ${commit} already runs${on(result)}, healthy${asFarAs(result)}.${left(result)}`;
    case 'removed':
      return 'Removed: PM2 does not have the app any more, and its directory is gone.';
    case 'rolled-back':
      return `${isRollback ? 'The rollback failed and was undone' : 'Rolled back'}: ${reason} ${whatRuns(result)}`;
    case 'rollback-failed':
      return `Rollback failed: ${reason} Look at the server now: the app may be down.`;
    case 'failed':
      if (result.unhealthy !== null && result.unhealthy === result.failure?.message)
        return `${reason} ${nowRuns(result)}`;
      return `Failed${result.failure ? ` in ${stateName(result.failure)}` : ''}: ${reason}${untouched(result.failure)}`;
  }
}

/** Why it failed; after a failed rollback, both reasons. */
export function reasonOf({ message, rollback }: Pick<Failure, 'message' | 'rollback'>): string {
  const first = asSentence(message);
  return rollback === null ? first : `${first} Then the rollback failed, too: ${asSentence(rollback)}`;
}

/** How the requests to the health URL went while the app was replaced; null if none were sent. */
export function requestsSentence({ requests }: HostResult): string | null {
  if (!requests) return null;
  const [sent, failed, downtime] = [requests.sent, requests.failed, requests.downtimeMs].map(Number);
  const lost = failed === 0 ? '' : `, ${formatDuration(downtime ?? 0)} without a good answer`;
  return `${failed} of ${sent} requests to the health URL failed${lost}.`;
}

/** Above the lines of one app. */
export function appLogTitle({ app, version }: AppLog): string {
  const which = version === 'old' ? 'the old version' : 'the new version';
  return hostSentence(`Last lines of the error log of '${app}', ${which}`, 200);
}

/** What to do about a failure, or null. */
export function remedySentence(failure: Failure | null): string | null {
  return failure?.remedy ? asSentence(failure.remedy) : null;
}

function nowRuns({ sha, instances }: HostResult): string {
  const commit = shortSha(sha);
  if (instances === null) return 'What runs was not looked at.';
  const count = `${Number(instances)} ${instances === 1 ? 'instance' : 'instances'} online`;
  return commit === null ? `No commit is checked out, ${count}.` : `${commit} is checked out, ${count}.`;
}

function whatRuns(result: HostResult): string {
  const old = shortSha(result.sha);
  if (result.instances === 0) {
    return old === null
      ? 'Nothing ran here before, and nothing of this deploy runs now.'
      : `The files of the old version (${old}) are back. No instance is online now.`;
  }
  return `The old version${old ? ` (${old})` : ''} runs${on(result)}.`;
}

function on({ instances, outdated }: HostResult): string {
  if (instances === null) return '';
  if (instances === 1) return ' on its 1 instance';
  return ` on ${outdated.length > 0 ? 'its' : 'all'} ${Number(instances)} instances`;
}

/** Without a `health-url` an app that answers every page with 500 passes as healthy. */
function asFarAs({ asked }: HostResult): string {
  return asked ? '' : ' as far as PM2 can tell; without `health-url` nobody asked for a page';
}

/** What a deploy of some apps leaves behind. */
function left({ outdated }: HostResult): string {
  if (outdated.length === 0) return '';
  const apps = outdated.map(({ name, instances }) => {
    const count = Number(instances);
    return `'${hostSentence(name, 60)}' (${count} ${count === 1 ? 'instance' : 'instances'})`;
  });
  return ` Still on an older version, on files of the new one: ${apps.join(', ')}. A crash would boot the new code there untried: add the app to \`app\`, or leave \`app\` out, and deploy again.`;
}

function stateName({ state }: Failure): string {
  return STATES.includes(state) ? state : 'an unknown state';
}

/** `locked` ends what an earlier deploy left, and that may touch the app. */
function untouched(failure: Failure | null): string {
  const index = failure ? STATES.indexOf(failure.state) : -1;
  const touches = index < 0 || failure?.state === 'locked' || index >= STATES.indexOf('activating');
  if (touches) return '';
  return failure?.live
    ? ` No file or process of the live app was touched, but it is not well now: ${asSentence(failure.live)}`
    : ' The live app was not touched.';
}

function asSentence(text: string): string {
  const sentence = hostSentence(text);
  return /[.!?…]$/.test(sentence) ? sentence : `${sentence}.`;
}
