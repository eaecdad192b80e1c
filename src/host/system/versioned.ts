import { type Check, Misshapen, object } from './checked.ts';
import { readIfThere, writeDurably } from './durable.ts';
import { DeployFailure } from './failure.ts';

/**
 * The format of a file that outlives the version of ours that wrote it. `readers[0]` reads format 1, which is also that
 * of a file without a number: 0.1 wrote none. The last reader reads what this version writes.
 */
export interface Format<T> {
  /** What such a file is, as the start of a sentence. */
  what: string;
  readers: readonly [Check<T>, ...Check<T>[]];
}

/** Returns once it is on disk. */
export function writeVersioned<T extends object>(file: string, format: Format<T>, value: T): void {
  writeDurably(file, JSON.stringify({ version: format.readers.length, ...value }));
}

/** Null if there is no such file. Throws a `DeployFailure` if it cannot be understood, and leaves it as it is. */
export function readVersioned<T>(file: string, format: Format<T>): T | null {
  const json = readIfThere(file);
  return json === null ? null : parseVersioned(json, file, format);
}

/** The same for a file that can be done without: null also if it cannot be understood. */
export function readIfUsable<T>(file: string, format: Format<T>): T | null {
  try {
    return readVersioned(file, format);
  } catch (error) {
    if (error instanceof DeployFailure) return null;
    throw error;
  }
}

/** `from` names the text in an error. The text itself may hold secrets, and no error quotes it. */
export function parseVersioned<T>(json: string, from: string, { what, readers }: Format<T>): T {
  let value: Record<string, unknown>;
  try {
    value = object(JSON.parse(json), '');
  } catch {
    throw damaged(what, from, 'it holds no JSON object');
  }
  const version = value.version ?? 1;
  const reader = typeof version === 'number' ? readers[version - 1] : undefined;
  if (reader === undefined) throw unknownFormat(what, from, version, readers.length);
  try {
    return reader(value, '');
  } catch (error) {
    if (error instanceof Misshapen) throw damaged(what, from, error.message);
    throw error;
  }
}

function damaged(what: string, from: string, why: string): DeployFailure {
  return new DeployFailure(`${what}, ${from}, is damaged: ${why}.`, {
    remedy:
      'Restore it from a backup. Without one, make sure that the app runs as it should, move its directory away, and run the job again.',
  });
}

function unknownFormat(what: string, from: string, version: unknown, newest: number): DeployFailure {
  return new DeployFailure(
    `${what}, ${from}, has format ${JSON.stringify(version)}. This version of the action reads formats 1 to ${newest}.`,
    {
      remedy: 'A newer version of the action wrote it. Deploy with that version, or a newer one.',
    },
  );
}
