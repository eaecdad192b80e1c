import type { HostResult } from '../protocol.ts';
import { isUntouched } from './headline.ts';
import { commitLink } from './links.ts';
import { countOf, liveApp } from './live-app.ts';
import { name } from './markdown.ts';
import { formatDuration } from './words.ts';

/** The table of hosts, a row each; all are deploys of the same commit. A host that reported no end has no result. */
export function hostTable(
  hosts: readonly { label: string; result: HostResult | null }[],
  commits: string | null,
): string {
  const rows = hosts.map(({ label, result }) =>
    result === null
      ? ({ Host: name(label), App: 'not known' } as Record<string, string>)
      : cellsOf(label, result, commits),
  );
  const names = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [
    line(names),
    line(names.map((title) => (title === 'Took' ? '--:' : ':--'))),
    ...rows.map((row) => line(names.map((title) => row[title] ?? '–'))),
  ].join('\n');
}

/** By column, in the order in which they stand. */
function cellsOf(label: string, result: HostResult, commits: string | null): Record<string, string> {
  const { requests } = result;
  return {
    Host: name(label),
    App: appCell(result),
    ...versionCells(result, commits),
    ...(requests === null ? {} : { 'Health checks failed': requestsCell(requests) }),
    Took: formatDuration(result.durationMs),
  };
}

function appCell(result: HostResult): string {
  const live = liveApp(result);
  if (live === 'unknown') return 'not known';
  if (live === 'none') return 'nothing runs';
  const { total, online } = countOf(result);
  const proved = live === 'up' && result.asked && result.outcome !== 'failed' && result.mode !== 'check';
  const old = result.outdated.reduce((sum, { instances }) => sum + instances, 0);
  const count = `${online} of ${total} ${proved ? 'healthy' : 'online'}${old > 0 ? `, ${old} on an older version` : ''}`;
  const untouched =
    result.outcome === 'failed' && isUntouched(result) && result.mode !== 'status' ? ', not touched' : '';
  const word = { up: '🟢 up', unhealthy: '🔴 **unhealthy**', down: '🔴 **down**' }[live];
  return `${word}, ${count}${untouched}`;
}

function versionCells(result: HostResult, commits: string | null): Record<string, string> {
  const now = commitLink(result.sha, commits);
  const tried = commitLink(result.target, commits);
  switch (result.outcome) {
    case 'deployed':
      return {
        Version: result.previousSha === null ? now : `${commitLink(result.previousSha, commits)} → ${now}`,
      };
    case 'unchanged':
      return { Version: now };
    case 'removed':
      return { Removed: commitLink(result.previousSha, commits) };
    case 'rolled-back':
      return { Live: now, 'Rolled back': tried };
    case 'rollback-failed':
      return { 'Files of': now, Tried: tried };
    case 'failed':
      return result.target === null ? { Live: now } : { Live: now, 'Not deployed': tried };
  }
}

function requestsCell({ sent, failed, downtimeMs }: NonNullable<HostResult['requests']>): string {
  return failed === 0 ? `0 of ${sent}` : `**${failed} of ${sent}** (${formatDuration(downtimeMs)})`;
}
