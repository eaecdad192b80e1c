import { isBuiltin } from 'node:module';
import path from 'node:path/posix';

/** A breach of a rule, as one line: where, and what. */
export type Breach = string;

/** Source files by their path in the project, such as `src/host/main.ts`. */
export type Sources = ReadonlyMap<string, string>;

/** Packages that only some files may import. */
const RESERVED: Record<string, RegExp> = {
  '@actions/core': /^src\/(?:main|post|inputs)\.ts$|^src\/report\//,
  '@actions/github': /^src\/report\/deployment\.ts$/,
  'node-ssh': /^src\/runner\/connection\/ssh\.ts$/,
};

/** Names that say nothing of what is in a file. */
const NAMELESS = /(?:^|\/)(?:utils?|helpers?|common|misc|shared|index)(?:\.[a-z]+|\/)/;

/**
 * The rooms of each program, a floor a line: a room imports only from floors below its own, so that rooms of one floor do
 * not know each other. A file that stands beside the rooms is a room of its own.
 */
const FLOORS: Record<string, readonly (readonly string[])[]> = {
  'src/host': [
    ['system'],
    ['git', 'swap', 'pm2'],
    ['program', 'state'],
    ['context.ts'],
    ['health', 'build', 'upload'],
    ['canary', 'handover'],
    ['deploy'],
    ['look'],
    ['main.ts'],
  ],
  'src/runner': [
    ['connect-error.ts', 'identity', 'upload'],
    ['keys'],
    ['connection'],
    ['session'],
    ['fleet'],
  ],
};

/** Entries: the only files that may share a name. */
const ENTRY = /^(?:main|post)\.ts$/;

/** Checks the layout and the imports of the sources; the answer is empty where all rules hold. */
export function breaches(sources: Sources): Breach[] {
  const found: Breach[] = [];
  for (const [file, text] of sources) {
    if (NAMELESS.test(file)) found.push(`${file}: its name does not say what it is about`);
    if (/^export\s+default\b/m.test(text)) found.push(`${file}: a default export`);
    if (isBarrel(text)) found.push(`${file}: only passes on what others export`);
    const twin = [...sources.keys()].find((other) => other < file && sameName(file, other));
    if (twin !== undefined) found.push(`${file}: has the name of ${twin}`);
    const home = roomOf(file);
    if (home !== null && home.floor < 0) found.push(`${file}: is in no room of ${home.program}`);
    for (const specifier of importsOf(text)) {
      const reason = forbidden(file, specifier, sources);
      if (reason) found.push(`${file}: imports ${specifier}, ${reason}`);
    }
  }
  return [...found, ...cycles(sources).map((cycle) => `${cycle.join(' -> ')}: a cycle`)];
}

/** `export *` hides where a name comes from, and so does a file that has nothing of its own. */
function isBarrel(text: string): boolean {
  const passedOn = /^export\s*(?:type\s*)?\{[^}]*\}\s*from\s*['"][^'"]*['"];?/gm;
  const own = text.replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, '').replace(passedOn, '');
  return /^export\s*(?:type\s*)?\*/m.test(text) || (passedOn.test(text) && own.trim() === '');
}

function forbidden(file: string, specifier: string, sources: Sources): string | null {
  const inHost = file.startsWith('src/host/');
  if (!specifier.startsWith('.')) {
    if (isBuiltin(specifier)) return null;
    if (inHost) return "but the host program has only Node's own modules";
    if (/^(?:@pm2\/|pm2(?:$|[/-]))/.test(specifier)) return 'but PM2 is no part of the action';
    const allowed =
      RESERVED[
        specifier
          .split('/')
          .slice(0, specifier.startsWith('@') ? 2 : 1)
          .join('/')
      ];
    return allowed && !allowed.test(file) ? `which is for ${allowed.source} alone` : null;
  }
  const target = path.join(path.dirname(file), specifier);
  if (!sources.has(target)) return 'which is no source file';
  if (inHost && !target.startsWith('src/host/') && target !== 'src/protocol.ts') {
    return 'but the host program is src/host/ and src/protocol.ts';
  }
  const [from, to] = [roomOf(file), roomOf(target)];
  if (from !== null && to !== null && from.program === to.program && from.room !== to.room) {
    if (to.floor >= from.floor) return `but ${from.room} is not above ${to.room}`;
  }
  const parts = [file, target].map((each) => each.split('/')[1]);
  if (parts.includes('runner') && parts.includes('report'))
    return 'but runner and report do not know each other';
  return null;
}

/** The room that a file is in, and its floor, -1 where nobody has given it one; null where there are no rooms. */
function roomOf(file: string): { program: string; room: string; floor: number } | null {
  for (const [program, floors] of Object.entries(FLOORS)) {
    if (!file.startsWith(`${program}/`)) continue;
    const room = file.slice(program.length + 1).split('/')[0] ?? '';
    return { program, room, floor: floors.findIndex((rooms) => rooms.includes(room)) };
  }
  return null;
}

/** Whoever looks for a file by its name should find one. */
function sameName(file: string, other: string): boolean {
  return path.basename(file) === path.basename(other) && !ENTRY.test(path.basename(file));
}

/** What a file imports, types and dynamic imports included. */
export function importsOf(text: string): string[] {
  const patterns = [
    /^(?:import|export)\b[^;'"]*?\bfrom\s*['"]([^'"]+)['"]/gm,
    /^import\s*['"]([^'"]+)['"]/gm,
    /^(?!\s*(?:\*|\/\/)).*?\b(?:import|require)\(\s*['"]([^'"]+)['"]\s*\)/gm,
  ];
  return patterns.flatMap((pattern) => [...text.matchAll(pattern)].map((match) => match[1] ?? ''));
}

function cycles(sources: Sources): string[][] {
  const found: string[][] = [];
  const done = new Set<string>();
  const visit = (file: string, trail: string[]): void => {
    const at = trail.indexOf(file);
    if (at >= 0) found.push([...trail.slice(at), file]);
    if (at >= 0 || done.has(file)) return;
    for (const specifier of importsOf(sources.get(file) ?? '')) {
      const target = path.join(path.dirname(file), specifier);
      if (specifier.startsWith('.') && sources.has(target)) visit(target, [...trail, file]);
    }
    done.add(file);
  };
  for (const file of sources.keys()) visit(file, []);
  return found;
}

/** Where two lists of names differ, one line for each name that only one of them has. */
export function differences(
  one: string,
  names: Iterable<string>,
  other: string,
  others: Iterable<string>,
): Breach[] {
  const [left, right] = [new Set(names), new Set(others)];
  return [
    ...[...left].filter((name) => !right.has(name)).map((name) => `${name}: is in ${one}, not in ${other}`),
    ...[...right].filter((name) => !left.has(name)).map((name) => `${name}: is in ${other}, not in ${one}`),
  ];
}

/** Lines of `original` that are too long to be there by chance and that `bundle` contains. */
export function sharedLines(bundle: string, original: string): string[] {
  const lines = new Set(bundle.split('\n').map((line) => line.trim()));
  return original
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line.length >= 60 && lines.has(line));
}
