import { BadValue } from './bad-value.ts';
import { INPUT_NAMES, type InputName, nearestInput, textOfInput, unknownInputs } from './names.ts';
import { SECRET_INPUTS } from './secrets.ts';

/** All inputs that cannot be used, as one text: a line for each with its name, what was given, what it takes, what to do. */
export class InputsError extends Error {
  constructor(problems: readonly string[]) {
    const count = problems.length === 1 ? 'One input' : `${problems.length} inputs`;
    super(`${count} cannot be used:\n${problems.map((problem) => `- ${problem}`).join('\n')}`);
    this.name = 'InputsError';
  }
}

/** How one input is read. What `read` throws of its own is a `BadValue`. */
export interface Reader<T> {
  name: InputName;
  read(): T;
}

type Groups = Readonly<Record<string, Readonly<Record<string, Reader<unknown>>>>>;
type Values<G extends Groups> = {
  [Group in keyof G]: { [Field in keyof G[Group]]: ReturnType<G[Group][Field]['read']> };
};

/** Reads every input, and returns what the readers return, or throws one `InputsError` with all that went wrong. */
export function readAll<G extends Groups>(env: NodeJS.ProcessEnv, groups: G): Values<G> {
  const problems: { name: InputName; text: string }[] = [];
  const read = ({ name, read }: Reader<unknown>): unknown => {
    try {
      return read();
    } catch (error) {
      if (!(error instanceof BadValue)) throw error;
      problems.push({ name, text: describe(name, textOfInput(env, name), error) });
      return undefined;
    }
  };
  const values = mapValues(groups, (readers) => mapValues(readers, read));
  // In the order of action.yml, in which people look for them.
  problems.sort((a, b) => INPUT_NAMES.indexOf(a.name) - INPUT_NAMES.indexOf(b.name));
  const found = [...unknownInputs(env).map(describeUnknown), ...problems.map(({ text }) => text)];
  if (found.length > 0) throw new InputsError(found);
  return values as Values<G>;
}

function mapValues<T, U>(record: Readonly<Record<string, T>>, map: (value: T) => U): Record<string, U> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, map(value)]));
}

function describe(name: InputName, given: string, { message, takes, remedy }: BadValue): string {
  const value =
    SECRET_INPUTS.includes(name) && given !== '' ? '' : ` is ${quote(withoutSecrets(name, given))}`;
  return [`\`${name}\`${value}: ${message}.`, `It takes ${takes}.`, remedy].filter(Boolean).join(' ');
}

function describeUnknown(name: string): string {
  const nearest = nearestInput(name);
  const advice = nearest ? `Did you mean \`${nearest}\`?` : `The inputs are ${INPUT_NAMES.join(', ')}.`;
  return `${quote(name)} is not an input of this action. ${advice}`;
}

/** What was given, without what people put there and must not be in the log: a password, the query of a URL. */
function withoutSecrets(name: InputName, given: string): string {
  switch (name) {
    case 'username':
      return given.replace(/:.*$/s, ':***');
    case 'health-url':
      return given.replace(/([?#]).*$/s, '$1…').replace(/^.*@/s, '***@');
    default:
      return /:.*@/s.test(given) ? given.replace(/^.*@/s, '***@') : given;
  }
}

/** Text as it was given, on one line, with what cannot be seen written out. */
function quote(given: string): string {
  if (given === '') return 'not given';
  const short = given.length > 120 ? `${given.slice(0, 120)}…` : given;
  return JSON.stringify(short).replace(
    /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu,
    (character) => `\\u${(character.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}`,
  );
}
