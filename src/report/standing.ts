import type { AppStanding, HostResult, PastDeploy, Standing } from '../protocol.ts';
import { hostSentence } from './hostile-text.ts';
import { commitLink, runLink, runNumber } from './links.ts';
import { name, prose } from './markdown.ts';
import { shortSha } from './words.ts';

/** Deploys of the history that are shown: they fit a screen. */
const SHOWN = 10;
const LONGEST_REASON = 90;

/** What a `status` found, as lines for the log. Safe to print. */
export function standingLines(result: HostResult): string[] {
  const { standing } = result;
  if (!standing) return [];
  const rows = standing.history
    .slice(0, SHOWN)
    .map((past) => [
      whenOf(past),
      whatOf(past),
      shortSha(past.sha) ?? '–',
      hostSentence(past.run.actor, 20),
      runNumber(past.run.url) === null ? '' : `run ${runNumber(past.run.url)}`,
      hostSentence(past.reason ?? '', LONGEST_REASON),
    ]);
  const widths = rows[0]?.map((_, at) => Math.max(...rows.map((row) => row[at]?.length ?? 0))) ?? [];
  return [
    ...facts(result, standing).map(([title, text]) => `${title.padEnd(10)} ${hostSentence(text)}`),
    rows.length === 0 ? 'History    nothing was ever deployed here' : 'History, newest first:',
    ...rows.map((row) => `  ${row.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join('  ')}`.trimEnd()),
  ];
}

/** The same for the job's summary, as Markdown. */
export function standingMarkdown(result: HostResult, commits: string | null): string {
  const { standing } = result;
  if (!standing) return '';
  const { deployed, apps, remarks } = standing;
  const since =
    deployed === null
      ? 'Not deployed by this action.'
      : `Deployed ${whenOf(deployed)} by ${name(deployed.run.actor)}${page(deployed)}.`;
  const counts = apps.map((app) => `${name(app.name)}: ${aboutApp(app)}.`);
  const history = standing.history.slice(0, SHOWN).map((past) => {
    const by = `${name(hostSentence(past.run.actor, 20))}${page(past)}`;
    const why = past.reason === null ? '' : prose(past.reason, LONGEST_REASON);
    return `| ${whenOf(past)} | ${whatOf(past)} | ${commitLink(past.sha, commits)} | ${by} | ${why} |`;
  });
  const table =
    history.length === 0
      ? 'Nothing was ever deployed here.'
      : ['| When | What | Commit | By | Why |', '| :-- | :-- | :-- | :-- | :-- |', ...history].join('\n');
  return [[since, ...counts].join(' '), ...remarks.map((text) => prose(text)), table].join('\n\n');
}

function page({ run }: PastDeploy): string {
  const number = runNumber(run.url);
  return number === null ? '' : `, ${runLink(run.url, `run ${number}`)}`;
}

function facts(result: HostResult, standing: Standing): [string, string][] {
  const { deployed, apps, remarks } = standing;
  return [
    ['Runs', result.sha ?? 'no commit is checked out'],
    ['Since', deployed === null ? 'not deployed by this action' : `${whenOf(deployed)}, ${byOf(deployed)}`],
    ...apps.map((app): [string, string] => ['App', `${app.name}: ${aboutApp(app)}`]),
    ['Health', result.unhealthy ?? healthOf(result)],
    ...remarks.map((remark): [string, string] => ['Note', remark]),
  ];
}

function aboutApp({ instances, online, ended, outdated, restarts }: AppStanding): string {
  const parts = [
    `${online} of ${instances} online`,
    ...(ended > 0 ? [`${ended} ended well (a job)`] : []),
    ...(outdated > 0 ? [`${outdated} still on an older version than the files: reload it`] : []),
    ...(restarts === null ? [] : [`restarted ${restarts} times since the last deploy`]),
  ];
  return parts.join(', ');
}

/** Without a complaint; while a deploy goes on, and of what this action did not deploy, no more is known. */
function healthOf({ standing, apps }: HostResult): string {
  if ((apps ?? []).length === 0) return 'nothing runs';
  return standing?.deployed == null ? 'online' : 'healthy';
}

function whenOf({ at }: PastDeploy): string {
  // By the host's clock, to the second.
  const [, day, time] = /^([\d-]+)T([\d:]+)/.exec(at) ?? [];
  return day === undefined ? '–' : `${day} ${time} UTC`;
}

function whatOf({ mode, outcome }: PastDeploy): string {
  return mode === 'rollback' && outcome === 'deployed' ? 'rolled back to' : outcome;
}

function byOf({ run }: PastDeploy): string {
  return [run.actor, run.url].filter(Boolean).join(', ') || 'unknown';
}
