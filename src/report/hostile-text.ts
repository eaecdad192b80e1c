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
 * characters prevents that. The blank has to be visible: the runner's search ignores zero-width characters. Any other
 * `::` stays whole: addresses such as `:::3000` have them.
 */
const COMMAND_MARK = /#(?=#(?:\x1b)?\[)|^(?:\s|\x1b\[[0-9;]*m)*:(?=:)/g;

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

/** Turns a host's text into lines for a block of the job's summary, where nothing is a command of the runner. */
export function plainLines(text: string): string[] {
  return text
    .split(LINE_END)
    .map((line) => cutAt(harmless(line.slice(0, LONGEST_LINE * LONGEST_RAW), false), LONGEST_LINE));
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
