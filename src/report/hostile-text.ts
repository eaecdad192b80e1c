// biome-ignore-all lint/suspicious/noControlCharactersInRegex: control characters are what this file is about
/**
 * Anybody may have written the text that comes from a host: a build, or a visitor of the site through the app's log.
 * It must stay text: no command to GitHub's runner, no line that looks like ours, no formatting.
 */
export interface Shape {
  /** Stands before every line. */
  prefix?: string;
  /** Whether colours (SGR) stay. Other escape sequences never stay. */
  colours?: boolean;
  /** Most characters of one line that are shown. */
  longestLine?: number;
  /** Most characters of all lines together that are shown. A line is shown whole or not at all. */
  most?: number;
}

const LONGEST_LINE = 2_000;
const MOST = 1_000_000;
/** How many raw characters are read for each one that is shown, so that no line takes long. */
const LONGEST_RAW = 4;

/** What the runner, a terminal, an editor or a browser takes for the end of a line. */
const LINE_END = /\r\n|[\n\r\v\f\x85\u2028\u2029]/;

/**
 * Matches one token at a time, so that the rest of a removed sequence cannot form a new one:
 * a colour; OSC, DCS and the like up to their end; CSI; any other escape; a control or invisible character.
 */
const UNWANTED =
  /(\x1b\[[0-9;:]*m)|(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c|$)|(?:\x1b\[|\x9b)[0-?]*[ -/]*(?:[@-~]|$)|\x1b[ -/]*[0-~]?|[\p{Cc}\p{Cf}\p{Cs}\p{Default_Ignorable_Code_Point}]/gu;

/**
 * The runner takes `##[name]` for a command anywhere in a line, and `::name::` at its beginning. A blank between the
 * characters prevents that. The blank has to be visible: the runner's search ignores zero-width characters.
 */
const COMMAND_MARK = /#(?=#(?:\x1b)?\[)|:(?=:)/g;

/** Turns a host's text into lines that are safe in the job's log. */
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

/** Puts a host's text on one line, without colours, to be used in a sentence. */
export function hostSentence(text: string, longest = 600): string {
  const looked = text.slice(0, longest * LONGEST_RAW);
  return cutAt(hostLines(looked, { colours: false }).join(' ').replace(/\s+/g, ' ').trim(), longest);
}

function harmless(line: string, colours: boolean): string {
  return line.replace(UNWANTED, (token, colour: string | undefined) => {
    if (token === '\t') return token;
    return colours && colour !== undefined ? colour : '';
  });
}

function cutAt(line: string, longest: number): string {
  // Leave no half character and no half colour at the end.
  const kept =
    line.length > longest ? `${line.slice(0, longest).replace(/[\ud800-\udbff]$|\x1b[^m]*$/, '')} …` : line;
  // A colour that stays on would colour the lines after it.
  return kept.includes('\x1b') ? `${kept}\x1b[0m` : kept;
}

function defuse(line: string): string {
  return line.replace(COMMAND_MARK, (mark) => `${mark} `);
}

/**
 * A block of a host's lines for the job's summary. Inside `<pre>` nothing is Markdown. With `<` and `&` as entities
 * nothing in it is HTML, so the block ends only at its own end tag.
 */
export function summaryBlock(lines: readonly string[], most = 20_000): string {
  const safe = hostLines(lines.join('\n'), { colours: false });
  // The last lines have the reason.
  let from = safe.length;
  for (let left = most; from > 0; from--) {
    left -= safe[from - 1]?.length ?? 0;
    if (left < 0) break;
  }
  const note = from > 0 ? [`(${from} earlier ${from === 1 ? 'line is' : 'lines are'} left out)`] : [];
  return `<pre><code>${[...note, ...safe.slice(from)].map(escapeHtml).join('\n')}</code></pre>`;
}

/**
 * A host's text that people copy from the job's summary, such as a pin or a command. Inside `<code>` GitHub makes no
 * mention, reference or link. Put it inside an HTML element: outside one, Markdown would read it.
 */
export function summaryCode(text: string): string {
  return `<code>${escapeHtml(hostSentence(text, 4_000))}</code>`;
}

/**
 * A host's text as a sentence for the job's summary, inside an HTML element. A zero-width blank keeps GitHub from turning
 * it into a mention, a reference or a link.
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
