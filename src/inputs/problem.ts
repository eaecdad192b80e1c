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

type Readers = { [Name in InputName]: () => unknown };
type Values<R extends Readers> = { [Name in InputName]: ReturnType<R[Name]> };

/** Runs every reader and returns what they return, or throws one `InputsError` with all that went wrong. */
export function readAll<R extends Readers>(env: NodeJS.ProcessEnv, readers: R): Values<R> {
  const problems = unknownInputs(env).map(describeUnknown);
  const values: Partial<Record<InputName, unknown>> = {};
  for (const name of INPUT_NAMES) {
    try {
      values[name] = readers[name]();
    } catch (error) {
      if (!(error instanceof BadValue)) throw error;
      problems.push(describe(name, textOfInput(env, name), error));
    }
  }
  if (problems.length > 0) throw new InputsError(problems);
  return values as Values<R>;
}

function describe(name: InputName, given: string, { message, takes, remedy }: BadValue): string {
  const value = SECRET_INPUTS.includes(name) && given !== '' ? '' : ` is ${quote(withoutLogin(given))}`;
  return [`\`${name}\`${value}: ${message}.`, `It takes ${takes}.`, remedy].filter(Boolean).join(' ');
}

function describeUnknown(name: string): string {
  const nearest = nearestInput(name);
  const advice = nearest ? `Did you mean \`${nearest}\`?` : `The inputs are ${INPUT_NAMES.join(', ')}.`;
  return `${quote(name)} is no input of this action. ${advice}`;
}

/** A password before an "@" is in the wrong place, and not for the log either. */
function withoutLogin(given: string): string {
  return /:.*@/s.test(given) ? given.replace(/^.*@/s, '***@') : given;
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
