import type { PastDeploy } from '../../protocol.ts';
import type { Entry } from './journal.ts';

/** A commit that was verified here, and the deploy that brought it. */
export type Version = Entry & { sha: string };

/** Deploys and rollbacks that ended, oldest first. Each appears once, with its last outcome. */
export function endedDeploys(entries: readonly Entry[]): Entry[] {
  const ended = new Map<string, Entry>();
  for (const entry of entries) {
    if (entry.outcome === null) continue;
    ended.delete(entry.deploy);
    ended.set(entry.deploy, entry);
  }
  return [...ended.values()];
}

/**
 * The verified versions as a stack, with the current one on top. A deploy adds one. A rollback removes all above the one
 * that it went to, so that rollbacks in a row go further back each time.
 */
export function versionStack(entries: readonly Entry[]): Version[] {
  const stack: Version[] = [];
  for (const entry of endedDeploys(entries).filter(isVerified)) {
    const known = stack.map(({ sha }) => sha).lastIndexOf(entry.sha);
    if (entry.mode === 'rollback' && known >= 0) stack.length = known + 1;
    else if (stack[stack.length - 1]?.sha === entry.sha) stack[stack.length - 1] = entry;
    else stack.push(entry);
  }
  return stack;
}

/** The version that a rollback from `current` goes to; null if there is none. */
export function versionBefore(entries: readonly Entry[], current: string | null): Version | null {
  const earlier = versionStack(entries).filter(({ sha }) => sha !== current && !isBad(entries, sha));
  return earlier[earlier.length - 1] ?? null;
}

/** Every commit that was verified here and is not marked bad, each with its last deploy; newest first. */
export function goodVersions(entries: readonly Entry[]): Version[] {
  const newest = new Map<string, Version>();
  for (const entry of endedDeploys(entries).filter(isVerified).reverse()) {
    if (!newest.has(entry.sha) && !isBad(entries, entry.sha)) newest.set(entry.sha, entry);
  }
  return [...newest.values()];
}

/** Whether this commit had to be rolled back the last time that it went live. A failed build does not count. */
export function isBad(entries: readonly Entry[], sha: string): boolean {
  const judged = endedDeploys(entries).filter(
    (entry) =>
      entry.sha === sha && ['deployed', 'rolled-back', 'rollback-failed'].includes(String(entry.outcome)),
  );
  const last = judged[judged.length - 1];
  return last !== undefined && last.outcome !== 'deployed';
}

/** The deploy that decides what should run here: the last that went well, `unchanged` and a removal included. */
export function standingDeploy(entries: readonly Entry[]): Entry | null {
  const good = endedDeploys(entries).filter(({ outcome }) =>
    ['deployed', 'unchanged', 'removed'].includes(String(outcome)),
  );
  return good[good.length - 1] ?? null;
}

/** In the form that the runner gets. */
export function pastDeploy({ mode, outcome, sha, at, run, reason }: Entry): PastDeploy {
  return { mode, outcome: outcome ?? 'failed', sha, at, run, reason };
}

function isVerified(entry: Entry): entry is Version {
  return entry.outcome === 'deployed' && entry.sha !== null;
}
