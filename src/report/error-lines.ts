import { stripVTControlCharacters } from 'node:util';
import type { Failure } from '../protocol.ts';

/** The lines that say what went wrong, as they were printed. */
export interface ErrorLines {
  lines: string[];
  /** Further errors of the same kind, which are not in `lines`. */
  more: number;
}

/** How one tool says what is wrong. */
interface Kind {
  /** A line that begins an error. */
  error: RegExp;
  /** Lines after it that belong to it, as long as each matches; none without it. */
  follows?: RegExp;
  /** How many of those, at most. */
  most?: number;
}

/** Errors, and lines of each, that fit above the fold. */
const MOST_ERRORS = 3;
const LAST_LINES = 5;

const FRAME = /^ +at /;
/** A frame in Node, PM2 or a dependency says nothing of the mistake. */
const FOREIGN_FRAME = /\bnode:[a-z]|\bnode_modules\b|\/pm2\/lib\//;

/** The first kind that is found counts: a full disk breaks a build in ways that look like its own mistakes. */
const KINDS: readonly Kind[] = [
  { error: /^(?! +\w+: ).*(?:\bENOSPC\b|\bEDQUOT\b|no space left on device)/i },
  { error: /heap out of memory|\bENOMEM\b|Cannot allocate memory|^Killed$/i },
  { error: /\berror TS\d+:/ },
  { error: /^npm (?:error|ERR!) +(?:Missing|Invalid):/ },
  { error: /^npm (?:error|ERR!) +(?:Missing script|notarget No|404 +(?:Not Found|'))/ },
  { error: /^npm (?:error|ERR!) +(?:While resolving|Could not resolve dependency)/, follows: /./, most: 2 },
  { error: /\bERR_PNPM_\w+|^➤ YN\d+: .*(?:error|would|fail)|^error Your lockfile/i },
  { error: /^ERROR in (?!$)/, follows: /\S/, most: 1 },
  { error: /^Failed to compile|^✘ \[ERROR\]/, follows: /\S|^$/, most: 4 },
  { error: /^\[[A-Z_]+\] \S/, follows: /╭/, most: 1 },
  { error: /^(?:error during build:|Build failed)/, follows: /\S/, most: 2 },
  { error: /^(?:Uncaught )?(?:[A-Z]\w*)?(?:Error|Exception)(?: \[\w+\])?(?::|$)/, follows: FRAME, most: 1 },
  { error: /: not found$|command not found|No such file or directory/ },
  { error: /^\s+\d+:\d+\s+error\s/ },
  { error: /^npm (?:error|ERR!) +(?!code |A complete log|To see|$)\S/ },
  { error: /\b(?:error|fatal|failed)\b(?::|!)/i },
];

/**
 * Finds the first errors in what a command or an app printed: what a reader looks for, and not the help text or the stack
 * after it. Without anything that looks like one they are the last lines.
 */
export function errorLines(printed: readonly string[]): ErrorLines {
  const lines = printed.filter((line) => line.trim() !== '').slice(-LAST_LINES);
  return findErrors(printed) ?? { lines: lines.map(plainLine), more: 0 };
}

/** The same; null without anything that looks like an error. */
export function findErrors(printed: readonly string[]): ErrorLines | null {
  const plain = printed.map(plainLine);
  for (const kind of KINDS) {
    const at = plain.flatMap((line, index) => (kind.error.test(line) ? [index] : []));
    if (at.length === 0) continue;
    const errors = [...new Map(at.map((index) => [plain[index], index])).values()];
    const shown = errors.slice(0, MOST_ERRORS);
    return {
      lines: shown.flatMap((index) => [plain[index] ?? '', ...belonging(plain, index, kind)]),
      more: errors.length - shown.length,
    };
  }
  return null;
}

const plainLine = (line: string): string => stripVTControlCharacters(line).trimEnd();

function belonging(plain: readonly string[], index: number, { follows, most = 0 }: Kind): string[] {
  if (follows === undefined) return [];
  const following: string[] = [];
  for (const line of plain.slice(index + 1)) {
    if (following.length >= most || (!follows.test(line) && follows !== FRAME)) break;
    if (follows === FRAME && !FRAME.test(line)) {
      // Between the message and its stack: 'Require stack:' and its list.
      if (following.length === 0 && /^(?:Require stack:|- )/.test(line)) continue;
      break;
    }
    if (follows === FRAME && FOREIGN_FRAME.test(line)) continue;
    following.push(line);
  }
  return following;
}

/** What has the cause of a failure: what the new version wrote to its error log, or else what a command printed. */
export function printedBy({ appLogs, output }: Pick<Failure, 'appLogs' | 'output'>): readonly string[] {
  const lines = appLogs.flatMap((log) => (log.version === 'new' ? log.lines : []));
  return lines.length > 0 ? lines : output;
}
