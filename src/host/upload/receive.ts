import { homedir } from 'node:os';
import { dirname, resolve } from 'node:path';
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
import { sweepUploads, uploadsIn } from './arrived.ts';
import { type Listed, lackingBits, parseList } from './object-list.ts';
import { keepPack } from './quarantine.ts';
import { type Bytes, bytesOf, CutShort } from './stdin-bytes.ts';

interface Receiving {
  nonce: string;
  deliver: Delivery['deliver'];
  /** What was already read from stdin after the opening. */
  rest: Buffer;
  /** Goes on in the same session once the upload is here, with what was already read after it. */
  next(rest: Buffer): void;
}

/** Milliseconds for one look into the repository. */
const LOOK = 120_000;
/** The runner may take so long to read its files, in milliseconds. */
const GATHERING = 3_600_000;
/** Lines of what git printed that are told. */
const SHOWN = 10;
/** What stays free on the disk, in KiB. */
const ROOM = 100 * 1024;

/**
 * Takes an upload within the session, in files of its own that wait for the deploy. Until all of it is here and whole, they lie
 * elsewhere; if the runner is gone before that, or silent for `LEASE`, they are removed. Nothing of the app is touched.
 */
export function receive({ nonce, deliver, rest, next }: Receiving): void {
  const print = printer(nonce);
  const bytes = bytesOf(process.stdin, rest);
  void take(deliver, bytes, print).then(
    () => {
      print('received');
      next(bytes.leave());
    },
    (error: unknown) => {
      if (error instanceof CutShort) return leave();
      const { message, remedy, output } = failureOf(error, 'preflight');
      print(`refused ${JSON.stringify([message, remedy ?? '', ...output.slice(-SHOWN)])}`, leave);
    },
  );
}

async function take(
  { deployId, path }: Delivery['deliver'],
  bytes: Bytes,
  print: (text: string) => void,
): Promise<void> {
  const root = stateRoot(process.env, homedir());
  const uploads = uploadsIn(root);
  makePrivate(dirname(uploads), uploads);
  sweepUploads(uploads, deployId);
  // In a partial clone, git would fetch what is asked for.
  const env = { ...sessionless(withNode(process.env, process.execPath)), GIT_NO_LAZY_FETCH: '1' };
  const [repository, free] = await Promise.all([
    lookAt(resolvePath(path, homedir()), env),
    freeSpace(uploads, env),
  ]);
  const listed = await readList(bytes);
  const here = repository === null ? new Set<string>() : await presentIn(repository, listed);
  const lacking = listed.filter(({ id }) => !here.has(id));
  requireRoom(uploads, free, lacking);
  print(`lacks ${lackingBits(listed, here).toString('base64')}`);
  const objects = repository?.objects ?? null;
  if (lacking.length > 0) await keepPack(bytes.frames(LEASE), { uploads, deployId, objects, env });
}

async function readList(bytes: Bytes): Promise<Listed[]> {
  const pieces: Buffer[] = [];
  for await (const piece of bytes.frames(GATHERING)) pieces.push(piece);
  return parseList(Buffer.concat(pieces).toString('latin1'));
}

interface Repository {
  git: Git;
  /** The directory of its objects. */
  objects: string;
}

/** The repository that the upload adds to; null if there is none yet. */
async function lookAt(live: string, env: NodeJS.ProcessEnv): Promise<Repository | null> {
  const options = { clock: createClock(), env, timeLimit: LOOK, locks: new Set<never>() };
  const git = gitIn(exists(live) ? live : '/', options);
  try {
    if (!exists(live) || (await inspectCheckout(live, git)) === 'absent') {
      await git.attempt(['--version']);
      return null;
    }
    const { stdout } = await git.attempt(['rev-parse', '--git-path', 'objects', '--show-object-format']);
    const [objects = '', format = ''] = stdout.split('\n');
    if (format !== 'sha256') return { git, objects: resolve(live, objects) };
  } catch (error) {
    throw gitMissing(error, ' An upload is kept as a commit.') ?? error;
  }
  throw new DeployFailure(`The repository at ${live} uses SHA-256. An upload takes one that uses SHA-1.`, {
    remedy: 'Set path to an empty directory, or deploy with source: git.',
  });
}

/** What the repository has of an upload, whichever commit that came with. */
async function presentIn({ git }: Repository, listed: readonly Listed[]): Promise<Set<string>> {
  const input = listed.map(({ id }) => `${id}\n`).join('');
  const { stdout } = await git.attempt(['cat-file', '--batch-check=%(objectname)'], { input });
  return new Set(stdout.split('\n').filter((line) => !line.includes(' ')));
}

/** `free` is in KiB; null if nobody knows. */
function requireRoom(directory: string, free: number | null, lacking: readonly Listed[]): void {
  const needed = lacking.reduce((sum, { size }) => sum + size, 0) / 1024;
  if (free === null || free > needed + ROOM) return;
  const [has, wants] = [free, needed + ROOM].map((kib) => Math.ceil(kib / 1024));
  throw new DeployFailure(
    `Only ${has} MiB are free on the disk of ${directory}, and the upload needs up to ${wants} MiB.`,
    {
      remedy: 'Free some space, or leave out more with upload-exclude, and run the job again.',
    },
  );
}
