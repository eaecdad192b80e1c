import { type HostResult, looksOnly, STATES } from '../protocol.ts';
import { hostSentence } from './hostile-text.ts';
import { countOf, liveApp } from './live-app.ts';
import { code, name } from './markdown.ts';
import { shortSha } from './words.ts';

/** What the runner knows of a deploy beside its result. */
export interface HeadlineFacts {
  label: string;
  path: string;
  /** The apps that were asked for; empty for all of the ecosystem file. */
  apps: readonly string[];
  /** What was asked for: a commit, a branch or a tag; null where the host chooses. */
  ref: string | null;
}

/** How names and commits are written. */
interface Style {
  name(text: string): string;
  commit(text: string): string;
}

const MARKDOWN: Style = { name, commit: (text) => code(text, 40) };
const PLAIN: Style = { name: (text) => hostSentence(text, 60), commit: (text) => hostSentence(text, 40) };

/** The first line of the summary, at most 15 words: app, host, outcome, both commits, and an outage by its name. */
export function headline(result: HostResult, facts: HeadlineFacts): string {
  return `${iconOf(result)} ${sentence(result, facts, MARKDOWN)}`;
}

/** The same without Markdown, for the title of an annotation. */
export function plainHeadline(result: HostResult, facts: HeadlineFacts): string {
  return sentence(result, facts, PLAIN);
}

/** The name of what is deployed, as people call it. */
export function appNames({ apps }: Pick<HostResult, 'apps'>, facts: HeadlineFacts): string[] {
  const names = facts.apps.length > 0 ? [...facts.apps] : (apps ?? []).map((app) => app.name);
  return names.length > 0 ? names : [facts.path.replace(/\/+$/, '').split('/').at(-1) || 'The app'];
}

function iconOf(result: HostResult): string {
  const live = liveApp(result);
  if (result.outcome === 'rollback-failed' || live === 'down' || live === 'unhealthy') return '🔴';
  if (result.outcome === 'rolled-back') return '↩️';
  if (result.outcome === 'failed') return '❌';
  return result.failure === null ? '✅' : '⚠️';
}

function sentence(result: HostResult, facts: HeadlineFacts, style: Style): string {
  const app = appOf(result, facts, style);
  const host = style.name(facts.label);
  const live = shortSha(result.sha);
  const now = live === null ? null : style.commit(live);
  const tried = style.commit(triedOf(result, facts));
  const standing = liveApp(result);
  const news = newsOf(result, tried);
  if (result.outcome === 'rollback-failed') {
    const neither = now === null ? `${tried} does not work` : `neither ${tried} nor ${now} works`;
    const how = { down: 'is DOWN', unhealthy: 'is unhealthy' }[standing as string] ?? 'may be DOWN';
    return `${app} ${how} on ${host}: ${neither}${standing === 'unknown' ? '' : `, ${runs(result, null)}`}`;
  }
  if (standing === 'down') return `${app} is DOWN on ${host}: ${news}${runs(result, now)}`;
  if (standing === 'unhealthy') return `${app} is unhealthy on ${host}: ${news}${runs(result, now)}`;
  const was = shortSha(result.previousSha);
  const before = was === null || was === live ? null : style.commit(was);
  const commit = now ?? tried;
  if (result.outcome === 'deployed') {
    if (result.failure !== null) return `${app} is live on ${host} at ${commit}, but a later step failed`;
    if (result.mode === 'rollback')
      return `${app} on ${host} was rolled back${before === null ? '' : ` from ${before}`} to ${commit}, as asked`;
    return `${app} is live on ${host} at ${commit}${before === null ? '' : `, was ${before}`}`;
  }
  if (result.outcome === 'removed')
    return `${app} was removed from ${host}${before === null ? '' : `, was ${before}`}`;
  if (result.outcome === 'unchanged') {
    if (result.mode === 'remove') return `${app} on ${host}: there is nothing to remove`;
    if (result.mode === 'deploy' || result.mode === 'rollback')
      return `${app} on ${host} is unchanged: ${commit} was live already, healthy`;
    if (result.mode === 'check')
      return `${app} on ${host}: ${tried} can be deployed${standing === 'none' || now === null ? '. Nothing runs there yet.' : ` over ${now}`}`;
    if (standing === 'none') return `${app} on ${host}: nothing runs there`;
    return `${app} is up on ${host} at ${commit}: ${runs(result, null)}`;
  }
  if (result.mode === 'status') return `${app} on ${host}: its state could not be found out`;
  const rest = {
    up: now === null ? 'The app is up.' : `The app is up on ${now}.`,
    none: noneOf(result),
    unknown: isUntouched(result) ? 'Nothing was changed.' : 'What runs is not known.',
  }[standing];
  return `${app} on ${host}: ${news.replace(/, $/, '')}. ${rest}`;
}

/** Where PM2 has nothing of the app; with a commit checked out it may have run before. */
function noneOf({ outcome, sha }: HostResult): string {
  if (outcome === 'rolled-back') return 'Nothing runs, as before.';
  return sha === null ? 'Nothing runs there yet.' : 'No instance runs there.';
}

/** What became of what was asked for, as the beginning of a sentence; empty where nothing was. */
function newsOf({ mode, outcome, failure, unhealthy }: HostResult, tried: string): string {
  if (mode === 'status') return '';
  if (mode === 'check') {
    const can = failure === null || failure.message === unhealthy;
    return `${tried} ${can ? 'can' : 'cannot'} be deployed, `;
  }
  if (mode === 'remove') return 'it was not removed, ';
  if (outcome === 'rolled-back') return `${tried} was rolled back, `;
  if (outcome === 'failed') return `${tried} was not deployed, `;
  return `${tried} was deployed, `;
}

/** `c30c9ab runs 0 of 2 instances`. */
function runs(result: HostResult, commit: string | null): string {
  const { total, online } = countOf(result);
  if (total === 0) return commit === null ? 'no instance runs' : `no instance of ${commit} runs`;
  const instances = total === 1 ? 'instance' : 'instances';
  if (commit !== null) return `${commit} runs ${online} of ${total} ${instances}`;
  return `${online} of ${total} ${instances} ${total === 1 ? 'runs' : 'run'}`;
}

function appOf(result: HostResult, facts: HeadlineFacts, style: Style): string {
  const names = appNames(result, facts);
  const [first = '', second] = names;
  if (second === undefined) return style.name(first);
  return names.length === 2
    ? `${style.name(first)} and ${style.name(second)}`
    : `${style.name(first)} and ${names.length - 1} more`;
}

/** The commit that was to go live, or what was asked for. */
function triedOf({ target, mode }: HostResult, { ref }: HeadlineFacts): string {
  return (
    shortSha(target) ??
    shortSha(ref) ??
    ref ??
    (mode === 'rollback' ? 'the version before' : 'the new version')
  );
}

/** Whether it failed before anything of the live app was touched. `locked` ends what an earlier deploy left. */
export function isUntouched(result: Pick<HostResult, 'mode' | 'failure'>): boolean {
  if (looksOnly(result)) return true;
  const { failure } = result;
  const index = failure === null ? -1 : STATES.indexOf(failure.state);
  return index >= 0 && failure?.state !== 'locked' && index < STATES.indexOf('activating');
}
