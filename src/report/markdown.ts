import { plainLines } from './hostile-text.ts';

/**
 * Text of a host in Markdown. It is safe in a code span or a fenced block alone: there nothing is a link, a mention, an
 * image or HTML. A fence, and a span, ends only at as many backticks as it began with, so it gets one more than the text has.
 */

const LONGEST_SPAN = 600;

/** One line of code. Made for a table too: there a `|` needs a backslash, which GitHub takes away again. */
export function code(text: string, longest = LONGEST_SPAN): string {
  const line = oneLine(text, longest).replace(/\|/g, '\\|');
  if (line === '') return '–';
  const fence = '`'.repeat(longestRun(line) + 1);
  const pad = line.startsWith('`') || line.endsWith('`') ? ' ' : '';
  return `${fence}${pad}${line}${pad}${fence}`;
}

/** A sentence: plain words stay. What it quotes, and what could mean something to Markdown or GitHub, becomes code. */
export function prose(text: string, longest = LONGEST_SPAN): string {
  return oneLine(text, longest)
    .split(QUOTED)
    .map((part, at) => (at % 2 === 1 ? code(part) : words(part)))
    .join('');
}

/** A block that can be copied, such as of `sh`. */
export function block(lines: readonly string[], language = ''): string {
  const safe = plainLines(lines.join('\n'));
  const fence = '`'.repeat(Math.max(3, longestRun(safe.join('\n')) + 1));
  return `${fence}${language}\n${safe.join('\n')}\n${fence}`;
}

/** A part that is folded away. `title` is our own. */
export function folded(title: string, content: string): string {
  return `<details><summary>${title}</summary>\n\n${content}\n</details>`;
}

/** A name in a heading or a table: as it is where it is a plain one. */
export function name(text: string): string {
  return /^(?!www\.)[A-Za-z][A-Za-z0-9]*(?:[ .-][A-Za-z0-9]+)*$/i.test(text) && text.length <= 60
    ? text
    : code(text, 60);
}

/** What a sentence quotes, such as a command. */
const QUOTED = /(?<=^|[\s(])'([^']+)'(?=$|[\s.,;:!?)])/;

function words(text: string): string {
  return text
    .split(' ')
    .map((word) => (word === '' || PLAIN_WORD.test(word) ? word : code(word)))
    .join(' ');
}

/** A name inside of HTML, where code would show its backticks. */
export function plainName(text: string): string {
  return name(text) === text ? text : 'an app';
}

/** Letters and digits of any language within what ends or quotes a word; no dot that makes an address, no `@` or `#`. */
const PLAIN_WORD = /^[('"]*[\p{L}\p{N}]+(?:['’/-][\p{L}\p{N}]+)*[)'",.;:!?%…]*$|^[().,;:!?–…-]+$/u;

function oneLine(text: string, longest: number): string {
  const line = plainLines(text.slice(0, longest * 4))
    .join(' ')
    .replace(/\s+/g, ' ')
    .trim();
  return line.length > longest ? `${line.slice(0, longest).replace(/[\ud800-\udbff]$/, '')} …` : line;
}

function longestRun(text: string): number {
  return Math.max(0, ...[...text.matchAll(/`+/g)].map(([run]) => run.length));
}
