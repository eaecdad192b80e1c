// biome-ignore-all lint/suspicious/noControlCharactersInRegex: control characters are what this file is about
/**
 * Text from a host may be written by anybody: a build prints it, or a visitor of the site through the app's log.
 * Whatever it holds, it must stay text: no command to GitHub's runner, no line of its own, no formatting.
 */
export interface Shape {
  /** Stands before every line. */
  prefix?: string;
  /** Whether SGR colours stay. Other escape sequences never do. */
  colours?: boolean;
  /** Characters of one line that are shown. */
  longestLine?: number;
  /** Characters of all lines together that are shown; a line is shown whole or not at all. */
  most?: number;
}

const LONGEST_LINE = 2_000;
const MOST = 1_000_000;
/** How many characters are looked at for each one that is shown: no line takes us long. */
const LONGEST_RAW = 4;

/** What the runner, a terminal, an editor or a browser takes for a line's end. */
const LINE_END = /\r\n|[\n\r\v\f\x85\u2028\u2029]/;

/**
 * One token at a time, so that what is left of a removed sequence cannot join into a new one:
 * a colour; OSC, DCS and the like up to their end; CSI; any other escape; a control or invisible character.
 */
const UNWANTED =
  /(\x1b\[[0-9;:]*m)|(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c|$)|(?:\x1b\[|\x9b)[0-?]*[ -/]*(?:[@-~]|$)|\x1b[ -/]*[0-~]?|[\p{Cc}\p{Cf}\p{Cs}\p{Default_Ignorable_Code_Point}]/gu;

/**
 * `##[name]` is a command to the runner wherever it stands in a line, `::name::` at its beginning. A blank between
 * the characters ends that. It has to be one that can be seen: the runner searches by its culture's rules, which
 * pass over zero-width characters.
 */
const COMMAND_MARK = /#(?=#(?:\x1b)?\[)|:(?=:)/g;

/** Makes lines of a host's text that can be printed to the job's log. */
export function hostLines(text: string, shape: Shape = {}): string[] {
  const { prefix = '', colours = true, longestLine = LONGEST_LINE, most = MOST } = shape;
  const lines = text.split(LINE_END);
  if (lines.at(-1) === '') lines.pop();
  const shown: string[] = [];
  let left = most;
  for (const line of lines) {
    const cut = cutAt(harmless(line.slice(0, longestLine * LONGEST_RAW), colours), longestLine);
    left -= cut.length;
    if (left < 0) {
      const count = lines.length - shown.length;
      shown.push(`${prefix}(${count} more ${count === 1 ? 'line is' : 'lines are'} left out)`);
      break;
    }
    shown.push(prefix + defuse(cut));
  }
  return shown;
}

/** Puts a host's text on one line, without colours, for a sentence of ours. */
export function hostSentence(text: string, longest = 600): string {
  return cutAt(hostLines(text, { colours: false }).join(' ').replace(/\s+/g, ' ').trim(), longest);
}

function harmless(line: string, colours: boolean): string {
  return line.replace(UNWANTED, (token, colour: string | undefined) => {
    if (token === '\t') return token;
    return colours && colour !== undefined ? colour : '';
  });
}

function cutAt(line: string, longest: number): string {
  // Neither half a character nor half a colour is left at the end.
  const kept =
    line.length > longest ? `${line.slice(0, longest).replace(/[\ud800-\udbff]$|\x1b[^m]*$/, '')} …` : line;
  // A colour that is left on would run on into the lines after it.
  return kept.includes('\x1b') ? `${kept}\x1b[0m` : kept;
}

function defuse(line: string): string {
  return line.replace(COMMAND_MARK, (mark) => `${mark} `);
}

/**
 * A block of a host's lines for the job's summary. Inside `<pre>` nothing is markdown, and with `<` and `&` written
 * as entities nothing in it is HTML, so that it ends where we end it.
 */
export function summaryBlock(lines: readonly string[], most = 20_000): string {
  const safe = hostLines(lines.join('\n'), { colours: false });
  // The reason is in the last lines.
  let from = safe.length;
  for (let left = most; from > 0; from--) {
    left -= safe[from - 1]?.length ?? 0;
    if (left < 0) break;
  }
  const note = from > 0 ? [`(${from} earlier ${from === 1 ? 'line is' : 'lines are'} left out)`] : [];
  return `<pre><code>${[...note, ...safe.slice(from)].map(escapeHtml).join('\n')}</code></pre>`;
}

/**
 * A host's text in a sentence for the job's summary, to be copied: a pin, a command. Inside `<code>` GitHub makes no
 * mention, reference or link; the HTML around it has to be ours, since markdown would still see the text.
 */
export function summaryCode(text: string): string {
  return `<code>${escapeHtml(hostSentence(text, 4_000))}</code>`;
}

/**
 * A host's text as a sentence for the job's summary, to stand inside an HTML element. A zero-width blank keeps GitHub
 * from making a mention, a reference or a link of it.
 */
export function summaryText(text: string, longest?: number): string {
  const spread = hostSentence(text, longest).replace(/[@#]|\/(?=\/)|www(?=\.)/g, '$&\u200b');
  return escapeHtml(spread);
}

function escapeHtml(text: string): string {
  return text
    .replace(/&/g, '&amp;')
    .replace(/</g, '&lt;')
    .replace(/>/g, '&gt;')
    .replace(/"/g, '&quot;')
    .replace(/'/g, '&#39;');
}
