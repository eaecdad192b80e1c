import { MODES, type Mode, type Step } from '../protocol.ts';
import type { MaxParallel } from '../runner/fleet/rollout.ts';
import { parseRelativePath } from './app-path.ts';
import { BadValue, hasUnprintable } from './bad-value.ts';
import { parseDuration } from './duration.ts';

/** Takes one of some words, exactly. */
export function oneOf<const Word extends string>(text: string, words: readonly Word[]): Word {
  const word = words.find((candidate) => candidate === text);
  if (word === undefined)
    throw new BadValue('it is not one of its values', words.map((each) => `\`${each}\``).join(' or '));
  return word;
}

/** Reads `mode`. A removal cannot be taken back, so it is of one server. */
export function parseMode(text: string, hosts: number): Mode {
  const mode = oneOf(text, MODES);
  if (mode === 'remove' && hosts > 1)
    throw new BadValue(
      `it is \`remove\`, and \`host\` names ${hosts} servers`,
      '`remove` with one server',
      'Use a step for each server.',
    );
  return mode;
}

/** Refuses what only a status shows. */
export function refuseBesideStatus(given: string, mode: string): void {
  if (given === '' || mode === 'status') return;
  throw new BadValue(
    '`mode` is not status, and no logs are shown then',
    '`0`, or a number with `mode: status`',
    'Leave it out: a deploy that fails shows the logs by itself.',
  );
}

/** Reads a whole number from `least` to `most`. */
export function parseCount(text: string, { least, most }: { least: number; most: number }): number {
  const count = /^\d{1,9}$/.test(text) ? Number(text) : -1;
  if (count < least || count > most) {
    throw new BadValue('it is not such a number', `a whole number from ${least} to ${most}`);
  }
  return count;
}

/** Reads how many hosts go live at once: a number, or a part of all. */
export function parseMaxParallel(text: string): MaxParallel {
  const [, number = '', percent] = /^(\d{1,4})\s*(%)?$/.exec(text) ?? [];
  const count = Number(number);
  if (count < 1 || (percent !== undefined && count > 100))
    throw new BadValue(
      'it is not such a number',
      'a number of hosts from 1 on, or a part of them from 1% to 100%',
    );
  return percent === undefined ? { kind: 'hosts', count } : { kind: 'percent', percent: count };
}

/** Takes `true` or `false`. */
export function parseSwitch(text: string): boolean {
  return oneOf(text.toLowerCase(), ['true', 'false']) === 'true';
}

/** Takes one text of the kind whose end is not our business: a shell runs it, and says what it thinks of it. */
export function parseShellText(text: string): string {
  if (text.includes('\0')) throw new BadValue('it holds a NUL character', 'shell commands');
  return text;
}

/** Reads `install-command` and `build-command`. */
export function parseStep(text: string): Step {
  if (text === '') return { kind: 'default' };
  if (text === 'none') return { kind: 'none' };
  return { kind: 'command', command: parseShellText(text) };
}

/** Reads a command that nothing stands for where it is not given. */
export function parseCommand(text: string): Step {
  return text === '' ? { kind: 'none' } : parseStep(text);
}

/** Reads the name of an app. It travels as JSON and is compared, never run: `$(id)` is simply a name. */
export function parseAppName(name: string): string {
  const takes = 'names of apps as in the ecosystem file or in PM2, separated by commas or line ends';
  if (name.startsWith('-')) throw new BadValue('a name begins with a dash', takes);
  if (hasUnprintable(name)) throw new BadValue('a name holds an invisible character', takes);
  return name;
}

/**
 * Reads `script`, for a host without an ecosystem file; null if it was not given. `apps` are the names in `app`;
 * what only an ecosystem file has goes with none of it.
 */
export function parseScript(
  text: string,
  apps: readonly string[],
  ecosystem: boolean,
  pm2Env: boolean,
): string | null {
  if (text === '') return null;
  const takes =
    'the file that PM2 starts, relative to the app and without .., for an app without an ecosystem file';
  const script = parseRelativePath(text, takes);
  if (script === '') throw new BadValue('it names a directory', takes);
  if (ecosystem) {
    throw new BadValue(
      '`ecosystem` is given as well',
      takes,
      'Leave one of them out: the file has its own `script`.',
    );
  }
  if (pm2Env) {
    throw new BadValue(
      '`pm2-env` is given as well',
      takes,
      'Leave it out: it selects an `env_…` of an ecosystem file.',
    );
  }
  if (apps.length !== 1) {
    throw new BadValue(
      `\`app\` has ${apps.length === 0 ? 'no name' : `${apps.length} names`}`,
      `${takes}, and one name in \`app\``,
      'Set `app` to the name that the app has, or will have, in PM2.',
    );
  }
  return script;
}

/** Reads what PM2's `--env` takes: `production` chooses `env_production`. */
export function parsePm2Env(text: string): string | null {
  if (text === '') return null;
  if (!/^[A-Za-z0-9_][A-Za-z0-9_.-]*$/.test(text)) {
    throw new BadValue(
      'it is not the name of an environment',
      'letters, digits, "_", "." and "-"',
      'Write production to select env_production of the ecosystem file.',
    );
  }
  return text;
}

/** Reads a version of PM2, or the beginning of one: npm takes each for the newest that begins so. */
export function parsePm2Version(text: string): string | null {
  if (text === '') return null;
  if (!/^\d{1,4}(\.\d{1,4}){0,2}$/.test(text))
    throw new BadValue('it is not such a version', 'one to three numbers: `7`, `7.0` or `7.0.4`');
  return text;
}

/** Reads `stable-for`, which has to fit into `health-timeout`: otherwise no version could ever pass. */
export function parseStableFor(text: string, healthTimeout: string): number {
  const stableFor = parseDuration(text, { least: '0s', most: '1h' });
  const limit = durationOrNull(healthTimeout);
  if (limit !== null && stableFor > limit) {
    throw new BadValue(
      `it is longer than \`health-timeout\`, ${healthTimeout}`,
      'a duration that fits into `health-timeout`',
    );
  }
  return stableFor;
}

/** `health-timeout` itself reports what is wrong with it. */
function durationOrNull(text: string): number | null {
  try {
    return parseDuration(text, { least: '0s', most: '24h' });
  } catch {
    return null;
  }
}
