/** A command that GitHub's runner takes from a log line, such as `add-mask` or `set-output`. */
export interface LogCommand {
  /** In lower case: the runner does not tell cases apart. */
  name: string;
  properties: Record<string, string>;
  data: string;
  /** The line that it stood on. */
  line: string;
}

/** Those that the runner registers for the steps of a job. */
const COMMANDS = [
  'stop-commands',
  'set-env',
  'set-output',
  'save-state',
  'add-path',
  'add-mask',
  'add-matcher',
  'remove-matcher',
  'debug',
  'notice',
  'warning',
  'error',
  'group',
  'endgroup',
  'echo',
];

/**
 * Reads a step's log as GitHub's runner does and returns the commands that it carries out, in order:
 * `::name key=value,…::data` where a line begins with it after blanks, else `##[name key=value;…]data` anywhere in a
 * line; a lone `\r` ends a line too; after `stop-commands` nothing counts until its token comes.
 */
export function interpretLog(log: string): LogCommand[] {
  const registered = new Set(COMMANDS);
  const executed: LogCommand[] = [];
  let token: string | null = null;
  for (const line of log.split(/\r\n|\n|\r/)) {
    const command = parseDoubleColon(line, registered) ?? parseBracket(line, registered);
    if (!command) continue;
    if (token !== null) {
      if (command.name !== token) continue;
      registered.delete(token);
      token = null;
      continue;
    }
    if (command.name === 'stop-commands') {
      token = command.data.toLowerCase();
      registered.add(token);
    }
    executed.push(command);
  }
  return executed;
}

/** The log as GitHub shows it: without workflow commands, but with the text of errors, warnings and notices. */
export function readableLog(log: string): string {
  return log
    .split('\n')
    .filter((line) => !/^::(?:add-mask|debug|group|endgroup|stop-commands|[0-9a-f-]{20,})/.test(line))
    .map((line) => line.replace(/^::(error|warning|notice)[^:]*::/, '$1: ').replaceAll('%0A', '\n'))
    .join('\n');
}

/** What a reader of a failed test needs of it. */
export function endOfLog(log: string, lines = 40): string {
  const all = readableLog(log).trimEnd().split('\n');
  const shown = all.slice(-lines).map((line) => `  | ${line}`);
  return [`The last ${shown.length} of ${all.length} lines of the action's log:`, ...shown].join('\n');
}

function parseDoubleColon(line: string, registered: Set<string>): LogCommand | null {
  // The runner trims what .NET calls white space, U+0085 included.
  const text = line.replace(/^[\s\u0085]+/, '');
  const end = text.indexOf('::', 2);
  if (!text.startsWith('::') || end < 0) return null;
  return command(line, text.slice(2, end), text.slice(end + 2), registered, ',', DOUBLE_COLON);
}

function parseBracket(line: string, registered: Set<string>): LogCommand | null {
  const start = line.indexOf('##[');
  const end = line.indexOf(']', start);
  if (start < 0 || end < 0) return null;
  return command(line, line.slice(start + 3, end), line.slice(end + 1), registered, ';', BRACKET);
}

/** Escapes of each form, in the order in which the runner undoes them. */
type Escapes = { property: readonly string[]; data: readonly string[] };
const DOUBLE_COLON: Escapes = {
  property: ['\r', '\n', ':', ',', '%'],
  data: ['\r', '\n', '%'],
};
const BRACKET_ESCAPES = [';', '\r', '\n', ']', '%'];
const BRACKET: Escapes = { property: BRACKET_ESCAPES, data: BRACKET_ESCAPES };

function command(
  line: string,
  info: string,
  data: string,
  registered: Set<string>,
  separator: string,
  escapes: Escapes,
): LogCommand | null {
  const blank = info.indexOf(' ');
  const name = (blank < 0 ? info : info.slice(0, blank)).toLowerCase();
  if (!registered.has(name)) return null;
  const properties: Record<string, string> = {};
  for (const pair of blank < 0
    ? []
    : info
        .slice(blank + 1)
        .trim()
        .split(separator)) {
    const equals = pair.indexOf('=');
    if (equals > 0 && equals < pair.length - 1) {
      properties[pair.slice(0, equals).toLowerCase()] = unescaped(pair.slice(equals + 1), escapes.property);
    }
  }
  return { name, properties, data: unescaped(data, escapes.data), line };
}

function unescaped(text: string, characters: readonly string[]): string {
  let result = text;
  for (const character of characters) {
    const code = character.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0');
    result = result.replaceAll(`%${code}`, character);
  }
  return result;
}

/**
 * Reads what a step wrote to `$GITHUB_OUTPUT` (or `_STATE`, `_ENV`): lines `NAME=VALUE`, and `NAME<<END … END`.
 * Throws an Error where the runner would fail the step.
 */
export function parseFileCommand(text: string): Record<string, string> {
  const values: Record<string, string> = {};
  const lines = text.split('\n');
  for (let index = 0; index < lines.length; index++) {
    const line = lines[index] ?? '';
    if (line === '') continue;
    const equals = line.indexOf('=');
    const heredoc = line.indexOf('<<');
    if (equals >= 0 && (heredoc < 0 || equals < heredoc)) {
      values[line.slice(0, equals)] = line.slice(equals + 1);
      continue;
    }
    const delimiter = heredoc < 0 ? '' : line.slice(heredoc + 2);
    if (heredoc < 1 || delimiter === '') throw new Error(`Invalid format '${line}'`);
    const end = lines.indexOf(delimiter, index + 1);
    if (end < 0) throw new Error(`Invalid value. Matching delimiter not found '${delimiter}'`);
    values[line.slice(0, heredoc)] = lines.slice(index + 1, end).join('\n');
    index = end;
  }
  return values;
}
