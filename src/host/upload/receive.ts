import { createHash } from 'node:crypto';
import { renameSync, rmSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname } from 'node:path';
import { type Delivery, LEASE } from '../../protocol.ts';
import { inspectCheckout } from '../git/checkout.ts';
import { type Git, gitIn, gitMissing } from '../git/git.ts';
import { leave, printer } from '../program/printer.ts';
import { resolvePath, stateRoot } from '../state/places.ts';
import { createClock } from '../system/clock.ts';
import { freeSpace } from '../system/disk-space.ts';
import { sessionless, withNode } from '../system/environment.ts';
import { DeployFailure, failureOf } from '../system/failure.ts';
import { exists } from '../system/paths.ts';
import { makePrivate } from '../system/private-directory.ts';
import { packFile, partFile, sweepUploads, uploadsIn } from './arrived.ts';
import { type Listed, lackingBits, parseList } from './object-list.ts';
import { type Bytes, bytesOf, CutShort } from './stdin-bytes.ts';

interface Receiving {
  nonce: string;
  deliver: Delivery['deliver'];
  /** What was already read from stdin after the opening. */
  rest: Buffer;
}

/** Milliseconds for one look into the repository. */
const LOOK = 120_000;
/** What stays free on the disk, in KiB. */
const ROOM = 100 * 1024;
/** A pack's own digest, at its end. Bytes. */
const DIGEST = 20;

/**
 * Takes an upload within the session, in a file of its own that waits for the deploy. Until all of it is here and whole, it
 * bears another name; if the runner is gone before that, or silent for `LEASE`, the file is removed. Nothing of the app is touched.
 */
export function receive({ nonce, deliver, rest }: Receiving): void {
  const print = printer(nonce);
  process.stdin.unshift(rest);
  void take(deliver, print).then(
    () => print('received', leave),
    (error: unknown) => {
      if (error instanceof CutShort) return leave();
      const { message, remedy } = failureOf(error, 'preflight');
      print(`refused ${JSON.stringify([message, remedy ?? ''])}`, leave);
    },
  );
}

async function take(
  { deployId, path, listBytes }: Delivery['deliver'],
  print: (text: string) => void,
): Promise<void> {
  const bytes = bytesOf(heard(process.stdin));
  const listed = parseList((await bytes.take(listBytes)).toString('latin1'));
  const root = stateRoot(process.env, homedir());
  const uploads = uploadsIn(root);
  makePrivate(dirname(uploads), uploads);
  sweepUploads(uploads, deployId);
  const here = await objectsHere(resolvePath(path, homedir()), listed);
  const lacking = listed.filter(({ id }) => !here.has(id));
  await requireRoom(uploads, lacking);
  print(`lacks ${lackingBits(listed, here).toString('base64')}`);
  if (lacking.length === 0) return;
  const part = partFile(uploads, deployId, process.pid);
  try {
    await save(bytes, part);
    renameSync(part, packFile(uploads, deployId));
  } finally {
    rmSync(part, { force: true });
  }
}

/** The stream, as long as something comes within `LEASE`: a frozen runner sends no end. */
async function* heard(stream: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const chunks = stream[Symbol.asyncIterator]();
  for (;;) {
    let timer: NodeJS.Timeout | undefined;
    const silence = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new CutShort()), LEASE);
    });
    try {
      const { value, done } = await Promise.race([chunks.next(), silence]);
      if (done === true) return;
      yield value;
    } finally {
      clearTimeout(timer);
    }
  }
}

/** What the repository at `live` has of an upload, whichever commit it came with. */
async function objectsHere(live: string, listed: readonly Listed[]): Promise<Set<string>> {
  const git = gitIn(exists(live) ? live : '/', {
    clock: createClock(),
    // In a partial clone, git would fetch what is asked for.
    env: { ...sessionless(withNode(process.env, process.execPath)), GIT_NO_LAZY_FETCH: '1' },
    timeLimit: LOOK,
    locks: new Set(),
  });
  if (!(await isThere(git))) return new Set();
  const format = await git.attempt(['rev-parse', '--show-object-format']);
  if (format.stdout.trim() === 'sha256') {
    throw new DeployFailure(`The repository at ${live} uses SHA-256. An upload takes one that uses SHA-1.`, {
      remedy: 'Set path to an empty directory, or deploy with source: git.',
    });
  }
  const input = listed.map(({ id }) => `${id}\n`).join('');
  const { stdout } = await git.attempt(['cat-file', '--batch-check=%(objectname)'], { input });
  return new Set(stdout.split('\n').filter((line) => !line.includes(' ')));
}

async function isThere(git: Git): Promise<boolean> {
  try {
    await git.attempt(['--version']);
  } catch (error) {
    throw gitMissing(error, ' An upload is kept as a commit.') ?? error;
  }
  return git.directory !== '/' && (await inspectCheckout(git.directory, git)) === 'checkout';
}

async function requireRoom(directory: string, lacking: readonly Listed[]): Promise<void> {
  const needed = lacking.reduce((sum, { size }) => sum + size, 0) / 1024;
  const free = await freeSpace(directory, sessionless(process.env));
  if (free === null || free > needed + ROOM) return;
  const [has, wants] = [free, needed + ROOM].map((kib) => Math.ceil(kib / 1024));
  throw new DeployFailure(
    `Only ${has} MiB are free on the disk of ${directory}, and the upload needs up to ${wants} MiB.`,
    {
      remedy: 'Free some space, or leave out more with upload-exclude, and run the job again.',
    },
  );
}

/** Writes the pack down. Throws a `CutShort` unless it ends with the digest of all before. */
async function save(bytes: Bytes, file: string): Promise<void> {
  const handle = await open(file, 'wx', 0o600);
  const hash = createHash('sha1');
  let end = Buffer.alloc(0);
  try {
    for await (const chunk of bytes.rest()) {
      await handle.writeFile(chunk);
      // Its last bytes are the digest itself, and nobody knows yet which these are.
      const seen = Buffer.concat([end, chunk]);
      const before = Math.max(0, seen.length - DIGEST);
      hash.update(seen.subarray(0, before));
      end = seen.subarray(before);
    }
  } finally {
    await handle.close();
  }
  if (!hash.digest().equals(end)) throw new CutShort();
}
