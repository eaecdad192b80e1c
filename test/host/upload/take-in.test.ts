import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, expect, test } from 'vitest';
import { createRepository } from '../../../src/host/git/fetch.ts';
import { collectUploads } from '../../../src/host/git/garbage.ts';
import { gitIn } from '../../../src/host/git/git.ts';
import { createClock } from '../../../src/host/system/clock.ts';
import { DeployFailure } from '../../../src/host/system/failure.ts';
import { keepPack } from '../../../src/host/upload/quarantine.ts';
import { takeInUpload } from '../../../src/host/upload/take-in.ts';
import type { UploadObject } from '../../../src/runner/upload/bundle.ts';
import {
  commitContent,
  idOf,
  type NamedObject,
  type ObjectKind,
  treeContent,
} from '../../../src/runner/upload/git-objects.ts';
import { packOf } from '../../../src/runner/upload/pack.ts';
import { fuzzRandom, fuzzRuns, fuzzTimeout } from '../../rig/fuzz.ts';
import { somePlan } from '../../rig/plan.ts';

const home = mkdtempSync(join(tmpdir(), 'take-in-'));
afterAll(() => rmSync(home, { recursive: true, force: true }));
const live = join(home, 'app');
const state = join(home, 'state/app');
const uploads = join(home, 'state/uploads');
const git = gitIn(live, { clock: createClock(), env: process.env, timeLimit: 60_000, locks: new Set() });

beforeEach(async () => {
  for (const each of [live, uploads]) rmSync(each, { recursive: true, force: true });
  for (const each of [live, uploads]) mkdirSync(each, { recursive: true });
  await createRepository(git, '/nowhere', 'sha1');
});

function object(kind: ObjectKind, content: Buffer): UploadObject {
  return { kind, id: idOf(kind, content), size: content.length, content };
}

/** An upload whose one directory has these names, each with the same content. */
function upload(names: readonly Pick<NamedObject, 'name' | 'mode'>[], content: string) {
  const blob = object('blob', Buffer.from(content));
  const tree = object('tree', treeContent(names.map((each) => ({ ...each, id: blob.id }))));
  const commit = object('commit', commitContent(tree.id, 'a'.repeat(40)));
  return { commit: commit.id, objects: [blob, tree, commit] };
}

async function bytesOf(objects: readonly UploadObject[]): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of packOf(objects)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

async function takeIn(bytes: Buffer, sha: string): Promise<unknown> {
  const plan = somePlan();
  const context = { plan, places: { top: live, live, workDir: live, beside: live, state }, git };
  const pieces = (async function* () {
    for (let at = 0; at < bytes.length; at += 100) yield bytes.subarray(at, at + 100);
  })();
  const arriving = {
    uploads,
    deployId: plan.deployId,
    objects: join(live, '.git/objects'),
    env: process.env,
  };
  try {
    await keepPack(pieces, arriving);
    await takeInUpload(context as never, sha);
    return null;
  } catch (error) {
    return error;
  } finally {
    expect(readdirSync(uploads)).toEqual([]);
  }
}

const packs = (): string[] => {
  const directory = join(live, '.git/objects/pack');
  return existsSync(directory) ? readdirSync(directory).filter((name) => name.endsWith('.pack')) : [];
};

test.each<[string, Pick<NamedObject, 'name' | 'mode'>[]]>([
  ['a way out', [{ name: '..', mode: '100644' }]],
  ['a path from the root', [{ name: '/etc/x', mode: '100644' }]],
  ['a path in one name', [{ name: 'a/../../x', mode: '100644' }]],
  ['an own .git', [{ name: '.git', mode: '100644' }]],
  ['an own .GIT', [{ name: '.GIT', mode: '100644' }]],
  ['no name', [{ name: '', mode: '100644' }]],
  [
    'two entries of one name',
    [
      { name: 'a', mode: '100644' },
      { name: 'a', mode: '120000' },
    ],
  ],
])('an upload with %s is refused by git, and nothing of it is in the repository', async (_what, names) => {
  const { commit, objects } = upload(names, 'x');
  const failure = await takeIn(await bytesOf(objects), commit);
  expect(failure).toBeInstanceOf(DeployFailure);
  expect((failure as DeployFailure).message).toContain('Reading the upload');
  expect(packs()).toEqual([]);
});

test('an upload that lacks one of its files is refused', async () => {
  const { commit, objects } = upload([{ name: 'a', mode: '100644' }], 'x');
  expect(await takeIn(await bytesOf(objects.slice(1)), commit)).toBeInstanceOf(DeployFailure);
  expect(await takeIn(await bytesOf(objects.slice(0, 2)), commit)).toBeInstanceOf(DeployFailure);
});

test(
  'bytes that were changed on the way are refused, or are another upload',
  async () => {
    const rand = fuzzRandom('packs');
    const runs = Math.ceil(fuzzRuns(400) / 20);
    const { commit, objects } = upload([{ name: 'a', mode: '100644' }], 'some text that is long enough');
    const whole = await bytesOf(objects);
    for (let run = 0; run < runs; run += 1) {
      const bytes = Buffer.from(whole);
      const at = rand(bytes.length);
      const damaged = run % 3 === 0 ? bytes.subarray(0, at) : bytes;
      if (run % 3 !== 0) bytes[at] = (bytes[at] ?? 0) ^ (1 + rand(255));
      expect(await takeIn(damaged, commit), `byte ${at}`).toBeInstanceOf(DeployFailure);
    }
    expect(packs()).toEqual([]);
    expect(await takeIn(whole, commit)).toBeNull();
  },
  fuzzTimeout(400),
);

test('many uploads become one pack, and none that is named is lost', async () => {
  for (let count = 0; count < 22; count += 1) {
    const { commit, objects } = upload([{ name: 'a', mode: '100644' }], `content ${count}`);
    expect(await takeIn(await bytesOf(objects), commit)).toBeNull();
    execFileSync('git', ['-C', live, 'update-ref', `refs/pm2-ssh-deploy/${commit}`, commit]);
  }
  expect(packs()).toHaveLength(22);
  await collectUploads(git);
  expect(packs()).toHaveLength(1);
  const fsck = execFileSync('git', ['-C', live, 'rev-list', '--objects', '--all'], { encoding: 'utf8' });
  expect(fsck.trim().split('\n')).toHaveLength(66);
});
