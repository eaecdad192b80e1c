import { ACCOUNTS, type Account, type HostResult } from '../protocol.ts';
import { errorLines, printedBy } from './error-lines.ts';
import { type HeadlineFacts, headline } from './headline.ts';
import { hostTable } from './host-row.ts';
import { commitLink, commitsBetween, link, runLink } from './links.ts';
import { block, code, folded, name, plainName, prose } from './markdown.ts';
import { standingMarkdown } from './standing.ts';
import { timeline } from './timeline.ts';
import { commandsIn, whatToDo } from './what-to-do.ts';
import { formatDuration, requestsSentence, shortSha } from './words.ts';

/** GitHub drops a whole summary above 1 MiB, and earlier steps may have written to it. */
const MOST_BYTES = 256 * 1024;
/** Characters of a folded block. */
const MOST_FOLDED = 20_000;
const FOLDED_LINES = 40;
const LONGEST_ERROR = 300;

export interface SummaryFacts extends HeadlineFacts {
  username: string;
  /** Address of the pages of commits, ending in `/commit`; null if that is not known. */
  commits: string | null;
  /** Why the job ended before the deploy did, in our own words; null where it did not. */
  late: string | null;
}

/** The job's summary of one deploy: is it up, on which version, what broke, what to do; then all else. */
export function renderSummary(result: HostResult, facts: SummaryFacts): string {
  return bounded([
    `### ${headline(result, facts)}`,
    facts.late,
    ...whatBroke(result, facts),
    ...advice(result, facts),
    hostTable([{ label: facts.label, result }], facts.commits),
    stillOld(result),
    unasked(result),
    standingMarkdown(result, facts.commits),
    commitLine(result, facts),
    ...foldedParts(result),
    footer(result, facts),
  ]);
}

/** The summary if no host reported an end. `goesOn`: the post step adds to it how the deploy ended. */
export function renderErrorSummary(
  message: string,
  remedy: string | null,
  output: readonly string[],
  goesOn = false,
): string {
  const [, first = '', rest = ''] = /^(.*?[.:!?](?=\s|$)|.*)\s*([\s\S]*)$/.exec(message) ?? [];
  const more = rest.split('\n').filter((line) => line.trim() !== '');
  const commands = commandsIn(remedy ?? '');
  return bounded([
    `### ${goesOn ? '⏳' : '❌'} ${prose(first, 300)}`,
    more.length > 0 && (more.length === 1 ? prose(more[0] ?? '', 2_000) : block(lastOf(more))),
    remedy && `**${goesOn ? 'How it ends' : 'What to do'}:** ${prose(remedy, 2_000)}`,
    commands.length > 0 && block(commands, 'sh'),
    output.length > 0 && block(lastOf(output)),
  ]);
}

/** What a deploy of some apps leaves behind. */
function stillOld({ outdated }: HostResult): string | null {
  if (outdated.length === 0) return null;
  const apps = outdated.map(({ name: app, instances }) => `${name(app)} (${instances})`);
  return `**Still on an older version**, on files of the new one: ${apps.join(', ')}. A crash would boot the new code there untried. Add these to \`app\`, or leave \`app\` out, and deploy again.`;
}

/** Without a `health-url` an app that answers every page with 500 passes. */
function unasked({ asked, outcome }: HostResult): string | null {
  if (asked || outcome !== 'deployed') return null;
  return 'Nobody asked for a page: healthy is what PM2 says. Set `health-url` to have a page asked for.';
}

export function whatBroke(result: HostResult, { commits }: Pick<SummaryFacts, 'commits'>): (string | null)[] {
  const { failure } = result;
  if (failure === null) return [];
  const { lines, more } = errorLines(printedBy(failure));
  const errors =
    lines.length === 0
      ? null
      : block([
          ...lines.map((line) => line.slice(0, LONGEST_ERROR)),
          ...(more > 0 ? [`… ${more} more, all in the log`] : []),
        ]);
  const live = failure.live === null ? '' : ` The live app is not well: ${prose(failure.live)}`;
  if (failure.rollback === null) return [`**What broke:** ${prose(failure.message)}${live}`, errors];
  const then = errorLines(failure.appLogs.flatMap((log) => (log.version === 'old' ? log.lines : []))).lines;
  return [
    `**What broke:** first ${commitLink(result.target, commits)} (new): ${prose(failure.message)}`,
    errors,
    `Then ${commitLink(result.sha, commits)} (old), which was put back: ${prose(failure.rollback)}`,
    then.length === 0 ? null : block(then.map((line) => line.slice(0, LONGEST_ERROR))),
  ];
}

export function advice(result: HostResult, facts: SummaryFacts): (string | null)[] {
  const { failure } = result;
  if (failure === null) return [];
  const { text, commands, after } = whatToDo(result, facts);
  const where = commands.length === 0 ? '' : ` On ${name(facts.label)} as ${code(facts.username, 60)}:`;
  const words = text === '' ? prose(failure.remedy ?? '') : text;
  return [`**What to do:** ${words}${where}`, commands.length > 0 ? block(commands, 'sh') : null, after];
}

/** Which commit it is about, and where to read on. */
function commitLine(result: HostResult, { commits }: SummaryFacts): string {
  const { commit, target, previousSha, previousRun } = result;
  const between = commitsBetween(previousSha, target, commits);
  return [
    commit && `${prose(commit.subject, 120)} by ${prose(commit.author, 60)}`,
    between && link(`changes since ${code(shortSha(previousSha) ?? '')}`, between),
    runLink(previousRun, 'previous deploy'),
  ]
    .filter(Boolean)
    .join(' · ');
}

export function foldedParts(result: HostResult): (string | null)[] {
  const { failure } = result;
  const drawn = timeline(result);
  const logs: [string, readonly string[]][] = [
    ['Last lines of the failed step', failure?.output.slice(-FOLDED_LINES) ?? []],
    ...(failure?.appLogs ?? []).map(({ app, version, lines }): [string, readonly string[]] => [
      `Last lines of the error log of ${plainName(app)}, the ${version} version`,
      lines,
    ]),
    ...(result.standing?.logs ?? []).map((log): [string, readonly string[]] => [
      `Last lines of the ${log.stream} log of ${plainName(log.app)}`,
      log.lines,
    ]),
  ];
  return [
    ...logs.map(([title, lines]) => (lines.length === 0 ? null : folded(title, block(lastOf(lines))))),
    drawn && folded(`Where the ${formatDuration(result.durationMs)} went`, `\`\`\`mermaid\n${drawn}\n\`\`\``),
  ];
}

function footer(result: HostResult, { path }: SummaryFacts): string {
  const { node, pm2 } = result.versions;
  const requests = requestsSentence(result);
  return `<sub>${[
    code(path, 200),
    node && `Node ${name(node.replace(/^v/, ''))}`,
    pm2 && `PM2 ${name(pm2)}`,
    timeSpent(result),
    requests,
  ]
    .filter(Boolean)
    .join(' · ')}</sub>`;
}

/** Where the account's own name would not do. */
const ACCOUNT_WORDS: Partial<Record<Account, string>> = {
  lock: 'waiting for the lock',
  pm2: 'PM2',
  verify: 'verifying',
};

function timeSpent({ spent, durationMs }: HostResult): string {
  const entries: [string, number][] = ACCOUNTS.map((account) => [
    ACCOUNT_WORDS[account] ?? account,
    spent[account],
  ]);
  const accounted = entries.reduce((sum, [, ms]) => sum + ms, 0);
  entries.push(['the rest', durationMs - accounted]);
  return entries
    .filter(([, ms]) => ms >= 1)
    .map(([what, ms]) => `${what} ${formatDuration(ms)}`)
    .join(', ');
}

/** The last lines, which have the reason, and how many are left out. */
function lastOf(lines: readonly string[]): string[] {
  let from = lines.length;
  for (let left = MOST_FOLDED; from > 0; from--) {
    left -= Math.min(2_000, lines[from - 1]?.length ?? 0) + 1;
    if (left < 0) break;
  }
  const note = from > 0 ? [`(${from} earlier ${from === 1 ? 'line is' : 'lines are'} left out)`] : [];
  return [...note, ...lines.slice(from)];
}

/** What does not fit is left out part by part, the headline never. */
export function bounded(parts: readonly (string | null | false)[]): string {
  const kept: string[] = [];
  let left = MOST_BYTES;
  let whole = true;
  for (const part of parts) {
    if (!part) continue;
    const size = Buffer.byteLength(part) + 2;
    if (size <= left) {
      kept.push(part);
      left -= size;
    } else whole = false;
  }
  if (!whole) kept.push('More is in the log: it did not fit here.');
  return `${kept.join('\n\n')}\n\n`;
}
