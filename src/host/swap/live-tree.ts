import {
  closeSync,
  constants,
  type Dirent,
  opendirSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
} from 'node:fs';
import { statOf } from './rename.ts';
import { contentOf } from './tree.ts';

/** A leaf is whatever is no directory: a file, a link (never followed), a socket. */
export type Kind = 'leaf' | 'directory';

/** The live directory, read only where it is asked about. Paths are relative to its top, which is `''`. */
export interface LiveTree {
  kind(path: string): Kind | null;
  /** Its first entries, at most `limit`: an uploads directory of a million files costs no more than a small one. */
  list(directory: string, limit: number): [name: string, kind: Kind][];
  /** `<size> <mtimeNs>`, or null if nothing is. */
  stamp(path: string): string | null;
  /** As `contentOf` in tree.ts. */
  content(path: string): string | null;
  isDatabase(path: string): boolean;
  /** Whether live and staging hold the same there: type, being executable, and every byte. */
  sameAsStaging(path: string): boolean;
  /** Whether only its owner may read or write it. */
  isPrivate(path: string): boolean;
}

const SQLITE = Buffer.from('SQLite format 3\0', 'latin1');
const COMPANION = /-(wal|shm|journal)$/;
/** Not opened to look for a database: nearly all that a build makes, so that a large one is checked quickly. */
const NO_DATABASE =
  /\.([cm]?[jt]sx?|map|json5?|css|s[ac]ss|less|html?|mdx?|txt|ya?ml|toml|xml|vue|svelte|svg|png|jpe?g|gif|webp|avif|ico|woff2?|[to]tf|eot|wasm|node|gz|br|zst|zip|lock|sh|py|[ch]|cc|cpp|hpp|mp[34]|webm|pdf|snap|flow|proto|graphql|hbs|ejs|pug|rsc|meta)$/i;
const CHUNK = 1024 * 1024;
/** Bytes of a directory itself, without what is in it: some tens of thousands of entries. */
const LARGE_DIRECTORY = 1024 * 1024;

/** The database whose `-wal`, `-shm` or `-journal` a path would be by its name, else null. */
export function databaseOf(path: string): string | null {
  return COMPANION.test(path) ? path.replace(COMPANION, '') : null;
}

const NOTHING: ReadonlySet<string> = new Set();

/** Reads `live`; `staging` only where the two are compared. What is `hidden` at the top is as if it were not there. */
export function readTree(live: string, staging: string, hidden: ReadonlySet<string> = NOTHING): LiveTree {
  const isHidden = (path: string): boolean => hidden.size > 0 && hidden.has(path.split('/')[0] ?? '');
  return {
    kind(path) {
      const stat = isHidden(path) ? null : statOf(`${live}/${path}`);
      return stat === null ? null : stat.isDirectory() ? 'directory' : 'leaf';
    },
    list(directory, limit) {
      const path = `${live}/${directory}`;
      // Reading a small directory at once is several times faster than reading it piece by piece.
      const large = (statOf(path)?.size ?? 0n) > LARGE_DIRECTORY;
      const entries = large ? firstEntries(path, limit) : readdirSync(path, { withFileTypes: true });
      const seen = directory === '' ? entries.filter(({ name }) => !isHidden(name)) : entries;
      return seen.slice(0, limit).map((entry) => [entry.name, entry.isDirectory() ? 'directory' : 'leaf']);
    },
    stamp(path) {
      const stat = statOf(`${live}/${path}`);
      return stat === null ? null : `${stat.size} ${stat.mtimeNs}`;
    },
    content(path) {
      const stat = statOf(`${live}/${path}`);
      return stat === null ? null : contentOf(`${live}/${path}`, stat);
    },
    isDatabase(path) {
      if (NO_DATABASE.test(path)) return false;
      const base = databaseOf(path);
      return hasHeader(`${live}/${path}`) || (base !== null && hasHeader(`${live}/${base}`));
    },
    sameAsStaging: (path) => sameContent(`${live}/${path}`, `${staging}/${path}`),
    isPrivate: (path) => ((statOf(`${live}/${path}`)?.mode ?? 0n) & 0o077n) === 0n,
  };
}

function firstEntries(directory: string, limit: number): Dirent[] {
  const handle = opendirSync(directory, { bufferSize: Math.max(1, Math.min(limit, 512)) });
  try {
    const entries: Dirent[] = [];
    for (let entry = handle.readSync(); entry !== null; entry = handle.readSync()) {
      entries.push(entry);
      if (entries.length >= limit) break;
    }
    return entries;
  } finally {
    handle.closeSync();
  }
}

function hasHeader(file: string): boolean {
  const stat = statOf(file);
  // Opening a pipe would wait for its other end.
  if (stat === null || !stat.isFile() || stat.size < SQLITE.length) return false;
  const start = Buffer.alloc(SQLITE.length);
  const descriptor = openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    readSync(descriptor, start, 0, start.length, 0);
  } finally {
    closeSync(descriptor);
  }
  return start.equals(SQLITE);
}

function sameContent(one: string, other: string): boolean {
  const a = statOf(one);
  const b = statOf(other);
  if (a === null || b === null) return false;
  if (a.isSymbolicLink() && b.isSymbolicLink()) return readlinkSync(one) === readlinkSync(other);
  if (!a.isFile() || !b.isFile() || a.size !== b.size || (a.mode & 0o100n) !== (b.mode & 0o100n))
    return false;
  const left = openSync(one, 'r');
  try {
    const right = openSync(other, 'r');
    try {
      return sameBytes(left, right);
    } finally {
      closeSync(right);
    }
  } finally {
    closeSync(left);
  }
}

function sameBytes(one: number, other: number): boolean {
  const a = Buffer.alloc(CHUNK);
  const b = Buffer.alloc(CHUNK);
  for (;;) {
    const inOne = readSync(one, a, 0, CHUNK, null);
    const inOther = readSync(other, b, 0, CHUNK, null);
    if (inOne !== inOther || !a.subarray(0, inOne).equals(b.subarray(0, inOther))) return false;
    if (inOne === 0) return true;
  }
}
