import { pick, type Random, random } from './random.ts';

/** CPU time that one small input may take, in milliseconds. */
const LIMIT = 1_500;

/** How many inputs to try: few by default, FUZZ_RUNS where it is set. FUZZ_SEED chooses others. */
export function fuzzRuns(few: number): number {
  return Number(process.env.FUZZ_RUNS ?? few);
}

/** Milliseconds that a test of so many inputs may take. */
export function fuzzTimeout(runs: number): number {
  return 60_000 + runs * 100;
}

/** The same inputs each time, for a name and a seed. */
export function fuzzRandom(name: string): Random {
  const seed = Number(process.env.FUZZ_SEED ?? 1);
  console.info(`fuzzing ${name} with FUZZ_SEED=${seed}`);
  return random([...name].reduce((sum, letter) => Math.imul(sum, 31) + letter.charCodeAt(0), seed));
}

/** What the parser makes of an input: its result, or an error that is its own. Anything else, or a hang, is thrown. */
export function outcome<T, E extends Error>(
  parse: () => T,
  own: abstract new (...args: never[]) => E,
  input: string,
): Outcome<T, E> {
  const timer = startTimer(input);
  try {
    return { result: parse() };
  } catch (error) {
    return { error: ownOf(error, own, input) };
  } finally {
    timer();
  }
}

/** As `outcome`, of a parser that asks somebody. */
export async function outcomeOf<T, E extends Error>(
  parse: () => Promise<T>,
  own: abstract new (...args: never[]) => E,
  input: string,
): Promise<Outcome<T, E>> {
  const timer = startTimer(input);
  try {
    return { result: await parse() };
  } catch (error) {
    return { error: ownOf(error, own, input) };
  } finally {
    timer();
  }
}

type Outcome<T, E> = { result: T } | { error: E };

function startTimer(input: string): () => void {
  const before = process.cpuUsage();
  return () => {
    const { user, system } = process.cpuUsage(before);
    if ((user + system) / 1000 > LIMIT) throw new Error(`it took too long over ${JSON.stringify(input)}`);
  };
}

function ownOf<E extends Error>(error: unknown, own: abstract new (...args: never[]) => E, input: string): E {
  if (error instanceof own) return error;
  throw new Error(`an error that is not its own, for ${JSON.stringify(input)}`, { cause: error });
}

const ODD = [
  '',
  ' ',
  '\t',
  '\n',
  '\r',
  '\r\n',
  '\0',
  '\\n',
  '"',
  "'",
  '=',
  ',',
  ':',
  '@',
  '#',
  '|',
  '!',
  '*',
  '?',
  '[',
  ']',
  '%',
  '$',
  '-',
];
const ODDER = [
  '/',
  '+',
  '\uFEFF',
  '\u00E9',
  '\u2028',
  '\u{1F511}',
  '\uD800',
  '-----',
  '00',
  '99',
  'ssh-rsa',
  'A'.repeat(300),
  '*a'.repeat(40),
];

/** Changes a text in one to four places. */
export function mutated(rand: Random, text: string, others: readonly string[] = []): string {
  let changed = text;
  for (let times = 1 + rand(4); times > 0; times -= 1) {
    const at = rand(changed.length + 1);
    const end = at + rand(pick(rand, [2, 8, 80]));
    changed = pick(rand, [
      () => changed.slice(0, at) + pick(rand, [...ODD, ...ODDER]) + changed.slice(at),
      () => changed.slice(0, at) + pick(rand, [...ODD, ...ODDER]) + changed.slice(at + 1),
      () => changed.slice(0, at) + changed.slice(end),
      () => changed.slice(0, end) + changed.slice(at),
      () => changed.slice(0, at) + String.fromCharCode(rand(128)) + changed.slice(at + 1),
      () => changed.slice(0, at) + flipCase(changed.slice(at, end)) + changed.slice(end),
      () => changed.slice(0, at) + pick(rand, [text, ...others]).slice(rand(40)),
    ])();
  }
  return changed;
}

function flipCase(text: string): string {
  return text.toUpperCase() === text ? text.toLowerCase() : text.toUpperCase();
}
