/** Takes a value of unknown shape, and `at`, its name for an error. Throws a `Misshapen` if it is not a T. */
export type Check<T> = (value: unknown, at: string) => T;

/** A value is not what it has to be. */
export class Misshapen extends Error {
  constructor(at: string, takes: string) {
    super(`${at === '' ? 'it' : at} is not ${takes}`);
    this.name = 'Misshapen';
  }
}

export const text: Check<string> = (value, at) => {
  if (typeof value !== 'string') throw new Misshapen(at, 'a text');
  return value;
};

export const number: Check<number> = (value, at) => {
  if (typeof value !== 'number' || !Number.isFinite(value)) throw new Misshapen(at, 'a number');
  return value;
};

export const flag: Check<boolean> = (value, at) => {
  if (typeof value !== 'boolean') throw new Misshapen(at, 'true or false');
  return value;
};

export function oneOf<T extends string>(values: readonly T[]): Check<T> {
  return (value, at) => {
    const found = values.find((known) => known === value);
    if (found === undefined) throw new Misshapen(at, `one of ${values.join(', ')}`);
    return found;
  };
}

export function orNull<T>(check: Check<T>): Check<T | null> {
  return (value, at) => (value === null ? null : check(value, at));
}

export function listOf<T>(check: Check<T>): Check<T[]> {
  return (value, at) => {
    if (!Array.isArray(value)) throw new Misshapen(at, 'a list');
    return value.map((item, index) => check(item, `${at}[${index}]`));
  };
}

/** Any names, each with a T. */
export function mapOf<T>(check: Check<T>): Check<Record<string, T>> {
  return (value, at) => {
    const entries = Object.entries(object(value, at));
    return Object.fromEntries(entries.map(([name, item]) => [name, check(item, `${at}.${name}`)]));
  };
}

/** These names, each with its own check; what else is there is left out. */
export function fields<T>(checks: { [Name in keyof T]: Check<T[Name]> }): Check<T> {
  return (value, at) => {
    const given = object(value, at);
    const names = Object.keys(checks) as (keyof T & string)[];
    const taken = names.map((name) => [name, checks[name](given[name], at === '' ? name : `${at}.${name}`)]);
    return Object.fromEntries(taken) as T;
  };
}

export const object: Check<Record<string, unknown>> = (value, at) => {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new Misshapen(at, 'an object');
  return value as Record<string, unknown>;
};

/** Whether a line is whole: a power cut or a full disk tears one. */
export function isJson(line: string): boolean {
  try {
    JSON.parse(line);
    return true;
  } catch {
    return false;
  }
}

/** The object that a line of JSON holds, or null: a line may be torn, or written by somebody else. */
export function objectIn(line: string): Record<string, unknown> | null {
  try {
    return object(JSON.parse(line), '');
  } catch {
    return null;
  }
}
