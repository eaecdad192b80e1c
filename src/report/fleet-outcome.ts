import { type CommitOfHosts, commitsOf, mixText } from '../mix.ts';
import type { HostResult, Outcome } from '../protocol.ts';
import { type DeploymentStatus, statusOfResult, statusWithoutResult } from './deployment-status.ts';
import { appNames, type HeadlineFacts } from './headline.ts';
import { hostSentence } from './hostile-text.ts';
import { liveApp } from './live-app.ts';
import { isGood } from './log.ts';
import type { Trouble } from './report.ts';
import { shortSha } from './words.ts';

/** One of several hosts at the end: its own report, or why there is none. */
export interface HostReport {
  label: string;
  username: string;
  end: { kind: 'result'; result: HostResult } | { kind: 'trouble'; trouble: Trouble };
}

export interface FleetFacts extends Omit<HeadlineFacts, 'label'> {
  mode: HostResult['mode'];
  hosts: readonly HostReport[];
  /** Why not all of it went live, as a sentence's end; null if it did. */
  stopped: string | null;
}

export function resultsOf(hosts: readonly HostReport[]): { label: string; result: HostResult }[] {
  return hosts.flatMap(({ label, end }) => (end.kind === 'result' ? [{ label, result: end.result }] : []));
}

/** The one outcome of several hosts. A host that reported no end may run anything. */
export function fleetOutcome(hosts: readonly HostReport[]): Outcome {
  const results = resultsOf(hosts).map(({ result }) => result);
  const has = (outcome: Outcome): boolean => results.some((result) => result.outcome === outcome);
  if (has('rollback-failed')) return 'rollback-failed';
  if (results.length < hosts.length) return 'failed';
  if (results.every(isGood)) return has('deployed') ? 'deployed' : 'unchanged';
  return has('rolled-back') && !has('deployed') ? 'rolled-back' : 'failed';
}

/** Which commits the hosts have at the end, as far as that is known; more than one is a mix. */
export function versionsOf(hosts: readonly HostReport[]): CommitOfHosts[] {
  const known = resultsOf(hosts).flatMap(({ label, result }) => {
    const sha = shortSha(result.sha);
    return sha === null ? [] : [{ label, sha }];
  });
  return commitsOf(known);
}

/** Says which hosts have which commit, if they do not all have the same, and of which nothing is known; else null. */
export function mixSentence(hosts: readonly HostReport[]): string | null {
  const versions = versionsOf(hosts);
  const unknown = hosts.filter(({ end }) => end.kind === 'trouble').map(({ label }) => label);
  const parts = [
    ...(versions.length > 1 ? [`The hosts have different commits: ${mixText(versions)}.`] : []),
    ...(unknown.length > 0 ? [`Not known: ${unknown.join(', ')}.`] : []),
  ];
  return parts.length === 0 ? null : parts.join(' ');
}

/** The first line of the summary, and the title of the annotation, without Markdown. */
export function fleetHeadline(facts: FleetFacts): string {
  const { hosts, mode, stopped } = facts;
  const results = resultsOf(hosts).map(({ result }) => result);
  const names = appNames(results[0] ?? { apps: null }, { ...facts, label: '' });
  const app = `${hostSentence(names[0] ?? '', 60)}${names.length > 1 ? ` and ${names.length - 1} more` : ''}`;
  const all = hosts.length === 2 ? 'both hosts' : `all ${hosts.length} hosts`;
  const versions = versionsOf(hosts);
  const [version] = versions;
  const at = version === undefined || versions.length > 1 ? '' : ` at ${version.sha}`;
  const outcome = fleetOutcome(hosts);
  if (outcome === 'deployed')
    return mode === 'rollback'
      ? `${app} on ${all} was rolled back to ${version?.sha ?? 'the version before'}, as asked`
      : `${app} is live on ${all}${at}`;
  if (outcome === 'unchanged') {
    if (mode === 'check') return `${app}: a deploy to ${all} can begin`;
    if (mode === 'status')
      return versions.length > 1
        ? `${app} is up on ${all}, with different commits`
        : `${app} is up on ${all}${at}`;
    return `${app} on ${all} is unchanged${at}, healthy`;
  }
  const because = stopped === null ? '' : `, because ${hostSentence(stopped, 300)}`;
  const unwell = labelsWith(hosts, (result) => ['down', 'unhealthy'].includes(liveApp(result)));
  const where = unwell === '' ? '' : `; it is not well on ${unwell}`;
  if (mode === 'status')
    return unwell === ''
      ? `${app}: the state of ${all} could not be found out`
      : `${app} is not well on ${unwell}`;
  if (mode === 'check') return `${app} cannot be deployed to ${all}${where}`;
  switch (outcome) {
    case 'rolled-back':
      return `${app} on ${all} is back${at}${because}${where}`;
    case 'rollback-failed':
      return `${app} is not back on ${labelsWith(hosts, (result) => result.outcome === 'rollback-failed')}${because}${where}`;
    // A removal is of one host.
    case 'removed':
    case 'failed':
      return `${app} was not deployed to ${all}${because}${where}`;
  }
}

/** The end of a deployment to several hosts, as GitHub shows it. */
export function fleetStatus(facts: FleetFacts): DeploymentStatus {
  const { hosts } = facts;
  const isKnown = hosts.every(({ end }) => end.kind === 'result' || !end.trouble.goesOn);
  const shas = new Set(resultsOf(hosts).map(({ result }) => result.sha));
  const [sha = null] = shas.size === 1 ? shas : [];
  return isKnown
    ? statusOfResult({ outcome: fleetOutcome(hosts), sha }, fleetHeadline(facts))
    : statusWithoutResult(fleetHeadline(facts), false);
}

function labelsWith(hosts: readonly HostReport[], is: (result: HostResult) => boolean): string {
  return resultsOf(hosts)
    .filter(({ result }) => is(result))
    .map(({ label }) => label)
    .join(', ');
}
