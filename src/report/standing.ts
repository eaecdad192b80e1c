import type { AppStanding, HostResult, PastDeploy, Standing } from '../protocol.ts';
import { hostSentence, summaryText } from './hostile-text.ts';
import { commitLink, shortSha } from './words.ts';

/** What a `status` found, as lines for the log. Safe to print. */
export function standingLines(result: HostResult): string[] {
  const { standing } = result;
  if (!standing) return [];
  const rows = standing.history.map((past) => [
    whenOf(past),
    whatOf(past),
    shortSha(past.sha) ?? '–',
    byOf(past),
  ]);
  const widths = [0, 1, 2].map((at) => Math.max(0, ...rows.map((row) => row[at]?.length ?? 0)));
  return [
    ...facts(result, standing).map(([name, text]) => `${name.padEnd(10)} ${hostSentence(text)}`),
    rows.length === 0 ? 'History    nothing was ever deployed here' : 'History, newest first:',
    ...rows.map((row) => `  ${row.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join('  ')}`),
  ];
}

/** The same for the job's summary, as HTML. */
export function standingHtml(result: HostResult, commits: string | null): string {
  const { standing } = result;
  if (!standing) return '';
  const table = facts(result, standing).map(
    ([name, text]) => `<tr><th>${name}</th><td>${summaryText(text)}</td></tr>`,
  );
  const head = ['When', 'What', 'Commit', 'By'].map((name) => `<th>${name}</th>`).join('');
  const rows = standing.history.map((past) => {
    const cells = [whenOf(past), whatOf(past)].map((cell) => `<td>${summaryText(cell)}</td>`);
    return `<tr>${cells.join('')}<td>${commitLink(past.sha, commits)}</td><td>${summaryText(byOf(past))}</td></tr>`;
  });
  const history =
    rows.length === 0
      ? '<p>Nothing was ever deployed here.</p>'
      : `<table>\n<tr>${head}</tr>\n${rows.join('\n')}\n</table>`;
  return `<table>\n${table.join('\n')}\n</table>\n\n${history}`;
}

function facts(result: HostResult, standing: Standing): [string, string][] {
  const { deployed, apps, complaint, remarks } = standing;
  return [
    ['Runs', result.sha ?? 'no commit is checked out'],
    ['Since', deployed === null ? 'not deployed by this action' : `${whenOf(deployed)}, ${byOf(deployed)}`],
    ...apps.map((app): [string, string] => ['App', aboutApp(app)]),
    ['Health', complaint === null ? 'healthy' : `fails the health rules: ${complaint}`],
    ...remarks.map((remark): [string, string] => ['Note', remark]),
  ];
}

function aboutApp({ name, instances, online, ended, outdated, restarts }: AppStanding): string {
  const parts = [
    `${Number(online)} of ${Number(instances)} online`,
    ...(ended > 0 ? [`${Number(ended)} ended well (a job)`] : []),
    ...(outdated > 0 ? [`${Number(outdated)} still on an older version than the files: reload it`] : []),
    ...(restarts === null ? [] : [`restarted ${Number(restarts)} times since the last deploy`]),
  ];
  return `${name}: ${parts.join(', ')}`;
}

function whenOf({ at }: PastDeploy): string {
  // By the host's clock, to the second.
  return hostSentence(
    String(at)
      .replace('T', ' ')
      .replace(/\.\d+Z$/, ' UTC'),
    40,
  );
}

function whatOf({ mode, outcome, reason }: PastDeploy): string {
  const what = mode === 'rollback' && outcome === 'deployed' ? 'rolled back to' : outcome;
  return hostSentence(reason ? `${what}: ${reason}` : what, 120);
}

function byOf({ run }: PastDeploy): string {
  return hostSentence([run?.actor, run?.url].filter(Boolean).join(', ') || 'unknown', 200);
}
