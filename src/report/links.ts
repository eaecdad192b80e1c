import { isCommitId } from '../event-parser.ts';
import { code } from './markdown.ts';
import { shortSha } from './words.ts';

/** A link in Markdown. Both texts are safe already. */
export function link(text: string, url: string): string {
  return `[${text}](${url})`;
}

/** A commit: short, and a link if the address of `commits` is known. */
export function commitLink(sha: string | null, commits: string | null): string {
  const short = shortSha(sha);
  if (short === null) return '–';
  return commits === null ? code(short) : link(code(short), `${commits}/${sha}`);
}

/** The page of what changed between two commits; null if there is none. */
export function commitsBetween(
  from: string | null,
  to: string | null,
  commits: string | null,
): string | null {
  if (from === null || to === null || from === to || commits === null) return null;
  if (!isCommitId(from) || !isCommitId(to)) return null;
  return `${commits.replace(/\/commit$/, '')}/compare/${from}...${to}`;
}

/** A run's page, as we write it; a host's journal may have anything. */
export function runLink(url: string, text: string): string | null {
  return RUN_PAGE.test(url) ? link(text, url) : null;
}

/** The run's number, for a column; null if this is not a run's page. */
export function runNumber(url: string): string | null {
  return RUN_PAGE.exec(url)?.[1] ?? null;
}

const RUN_PAGE = /^https?:\/\/[\w.:-]+\/[\w.-]+\/[\w.-]+\/actions\/runs\/(\d+)(?:\/attempts\/\d+)?$/;
