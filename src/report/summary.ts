import { ACCOUNTS, type Account, type HostResult, looksOnly } from '../protocol.ts';
import { summaryBlock, summaryCode, summaryText } from './hostile-text.ts';
import { standingHtml } from './standing.ts';
import {
  appLogTitle,
  commitLink,
  formatDuration,
  outcomeSentence,
  remedySentence,
  requestsSentence,
} from './words.ts';

/** GitHub drops a whole summary above 1 MiB, and earlier steps may have written to it. */
const MOST_BYTES = 256 * 1024;

export interface SummaryFacts {
  label: string;
  path: string;
  /** Address of the pages of commits, ending in `/commit`; null if that is not known. */
  commits: string | null;
}

/** The job's summary of one deploy. It is all HTML, so that no text of the host is read as Markdown. */
export function renderSummary(result: HostResult, facts: SummaryFacts): string {
  const remedy = remedySentence(result.failure);
  const requests = requestsSentence(result);
  const parts = [
    `<h3>${summaryText(outcomeSentence(result), 1_200)}</h3>`,
    remedy && `<p>${summaryCode(remedy)}</p>`,
    table(result, facts),
    standingHtml(result, facts.commits),
    requests && `<p>While the app was replaced, ${requests}</p>`,
    `<p>Time spent: ${timeSpent(result)}.</p>`,
    ...failureBlocks(result),
  ];
  return bounded(parts.filter(Boolean).join('\n\n'));
}

/** The summary if no host reported an end. */
export function renderErrorSummary(
  message: string,
  remedy: string | null,
  output: readonly string[],
): string {
  const [first = '', ...rest] = message.split('\n');
  const parts = [
    `<h3>Failed: ${summaryText(first, 1_200)}</h3>`,
    rest.length > 0 && summaryBlock(rest),
    remedy && `<p>${summaryCode(remedy)}</p>`,
    output.length > 0 && summaryBlock(output),
  ];
  return bounded(parts.filter(Boolean).join('\n\n'));
}

function table(result: HostResult, facts: SummaryFacts): string {
  const cells: [string, string][] = [
    ['Host', summaryCode(facts.label)],
    ['Path', summaryCode(facts.path)],
    [
      'Runs now',
      result.instances === null && result.sha === null
        ? 'not looked at'
        : commitLink(result.sha, facts.commits),
    ],
    ...(looksOnly(result)
      ? []
      : [['Ran before', commitLink(result.previousSha, facts.commits)] as [string, string]]),
    ['Instances', result.instances === null ? 'not looked at' : String(Number(result.instances))],
    ['Duration', formatDuration(result.durationMs)],
    ['Node', summaryCode(result.versions.node)],
    ['PM2', summaryCode(result.versions.pm2)],
  ];
  const head = cells.map(([name]) => `<th>${name}</th>`).join('');
  const row = cells.map(([, cell]) => `<td>${cell}</td>`).join('');
  return `<table>\n<tr>${head}</tr>\n<tr>${row}</tr>\n</table>`;
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
    .map(([name, ms]) => `${name} ${formatDuration(ms)}`)
    .join(', ');
}

function failureBlocks({ failure }: HostResult): string[] {
  if (!failure) return [];
  const blocks: [string, readonly string[]][] = [
    ['Last lines of the failed step', failure.output],
    ...failure.appLogs.map((log): [string, readonly string[]] => [summaryText(appLogTitle(log)), log.lines]),
  ];
  return blocks.flatMap(([title, lines]) =>
    lines.length > 0 ? [`<p>${title}:</p>`, summaryBlock(lines)] : [],
  );
}

function bounded(markdown: string): string {
  const whole = `${markdown}\n\n`;
  if (Buffer.byteLength(whole) <= MOST_BYTES) return whole;
  return '<h3>This deploy printed more than a summary can hold. The log has everything.</h3>\n\n';
}
