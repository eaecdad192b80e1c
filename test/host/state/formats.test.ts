import { appendFileSync, cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, test } from 'vitest';
import { loadCurrent, saveCurrent } from '../../../src/host/state/current.ts';
import { openJournal, unfinished } from '../../../src/host/state/journal.ts';
import { loadReplaced, saveReplaced } from '../../../src/host/state/replaced.ts';
import { loadTransaction, saveTransaction } from '../../../src/host/state/transaction.ts';
import { loadRecord, saveRecord } from '../../../src/host/swap/record.ts';
import { DeployFailure } from '../../../src/host/system/failure.ts';

/** A copy of a state directory that a version of ours left, whose program was killed in `verifying`. */
let state: string;
beforeEach(() => {
  state = mkdtempSync(join(tmpdir(), 'state-'));
  cpSync(join(import.meta.dirname, '../../fixtures/state-0.1.0'), state, { recursive: true });
});
afterEach(() => rmSync(state, { recursive: true }));

const file = (name: string): string => join(state, name);
const json = (name: string) => JSON.parse(readFileSync(file(name), 'utf8'));
function change(name: string, changes: object): void {
  writeFileSync(file(name), JSON.stringify({ ...json(name), ...changes }));
}
function refusal(read: () => unknown): DeployFailure {
  try {
    read();
  } catch (error) {
    if (error instanceof DeployFailure) return error;
    throw error;
  }
  throw new Error('it was read');
}

/** All that is read of the files on disk, by file. */
const READERS: Record<string, () => unknown> = {
  'transaction.json': () => loadTransaction(state),
  'current.json': () => loadCurrent(state),
  'built-second-deploy.json': () => loadRecord(state, 'built-second-deploy.json'),
};

describe('a state directory of version 0.1.0', () => {
  it('has a transaction that can be ended', () => {
    const old = json('transaction.json');
    expect(loadTransaction(state)).toMatchObject({
      deployId: 'second-deploy',
      sha: old.sha,
      previousSha: old.previous.sha,
      swap: {
        layout: 'in-place',
        head: old.previous,
        staging: '/home/deploy/.shop.pm2-ssh-deploy/second-deploy/version',
        kept: '/home/deploy/.shop.pm2-ssh-deploy/second-deploy/kept',
        ops: old.ops,
        given: [],
      },
      current: old.current,
      config: old.config,
      before: { apps: old.before.apps, counts: old.before.counts, ports: old.before.ports, orphans: [] },
      swapped: old.swapped,
      restored: false,
      restoredAt: null,
    });
  });

  it('has the version that runs, and what a build made', () => {
    expect(loadCurrent(state)).toEqual({ ...(json('current.json') as object), abi: null, restarts: null });
    expect(loadRecord(state, 'built-second-deploy.json')).toEqual({
      ...json('built-second-deploy.json'),
      assets: [],
    });
  });

  it('has a journal that knows what is unfinished, and takes further entries', () => {
    const journal = openJournal(state);
    const entries = journal.entries();
    expect(entries.filter(({ outcome }) => outcome === 'deployed').map(({ deploy }) => deploy)).toEqual([
      'first-deploy',
    ]);
    const left = unfinished(entries);
    expect(left).toMatchObject({ deploy: 'second-deploy', state: 'verifying' });
    if (left !== null) journal.end(left, 'rolled-back', 'rolled-back', 'it broke');
    expect(unfinished(openJournal(state).entries())).toBeNull();
  });
});

test('what is written now is read again, and carries the number of its format', () => {
  const transaction = loadTransaction(state);
  const current = loadCurrent(state);
  const record = loadRecord(state, 'built-second-deploy.json');
  if (transaction === null || current === null || record === null) throw new Error('not there');
  saveTransaction(state, transaction);
  saveCurrent(state, current);
  saveRecord(state, 'second-deploy', record);
  expect([loadTransaction(state), loadCurrent(state), loadRecord(state, 'built-second-deploy.json')]).toEqual(
    [transaction, current, record],
  );
  expect(Object.keys(READERS).map((name) => json(name).version)).toEqual([3, 1, 2]);
});

test('a transaction says what its layout needs; format 2 knew one layout', () => {
  const transaction = loadTransaction(state);
  if (transaction === null) throw new Error('not there');
  const { head } = transaction.swap;
  const swap = {
    layout: 'releases',
    head,
    staging: '/app/releases/2',
    previous: null,
    own: ['.env'],
  } as const;
  const released = { ...transaction, swap: { ...swap, own: [...swap.own] } };
  saveTransaction(state, released);
  expect(loadTransaction(state)).toEqual(released);
  change('transaction.json', { version: 2 });
  expect(refusal(() => loadTransaction(state)).message).toContain('swap.layout');
  saveTransaction(state, transaction);
  change('transaction.json', { version: 2 });
  expect(loadTransaction(state)).toEqual(transaction);
});

test('a version that was replaced is read as format 1 had it', () => {
  const about = { deployId: 'second-deploy', over: 'b', sha: 'a', record: 'a', fingerprint: 'f', abi: null };
  const ops = [{ path: 'dist', live: true, staging: true }];
  writeFileSync(file('replaced-second-deploy.json'), JSON.stringify({ version: 1, ...about, ops }));
  expect(loadReplaced(state)).toEqual([{ ...about, files: { layout: 'in-place', ops } }]);
  const files = {
    layout: 'releases',
    release: 'first-deploy',
    until: { boot: 'this one', ticks: 4711 },
  } as const;
  saveReplaced(state, { ...about, files });
  expect(loadReplaced(state)).toEqual([{ ...about, files }]);
  const { until: _, ...without } = files;
  change('replaced-second-deploy.json', { files: without });
  expect(loadReplaced(state)).toEqual([{ ...about, files: { ...files, until: null } }]);
});

test('a transaction says when the old files came back; one that does not say it is read all the same', () => {
  const transaction = loadTransaction(state);
  if (transaction === null) throw new Error('not there');
  const restored = { ...transaction, restored: true, restoredAt: { boot: 'this one', ticks: 4711 } };
  saveTransaction(state, restored);
  expect(loadTransaction(state)).toEqual(restored);
  change('transaction.json', { restoredAt: undefined });
  expect(loadTransaction(state)).toEqual({ ...restored, restoredAt: null });
  change('transaction.json', { restoredAt: 4711 });
  expect(refusal(() => loadTransaction(state)).message).toContain('restoredAt');
});

test('the record of a build says which assets of earlier versions it keeps', () => {
  const record = loadRecord(state, 'built-second-deploy.json');
  if (record === null) throw new Error('not there');
  const assets = [{ sha: 'a'.repeat(40), replacedAt: 1_763_000_000_000, paths: ['dist/assets/a-1.js'] }];
  saveRecord(state, 'second-deploy', { ...record, assets });
  expect(loadRecord(state, 'built-second-deploy.json')).toEqual({ ...record, assets });
  change('built-second-deploy.json', { assets: [{ paths: 'dist' }] });
  expect(refusal(() => loadRecord(state, 'built-second-deploy.json')).message).toContain('assets[0]');
});

describe.each(Object.entries(READERS))('%s', (name, read) => {
  it('of a newer format is refused with what to do, and stays as it is', () => {
    change(name, { version: 99 });
    const before = readFileSync(file(name), 'utf8');
    const { message, remedy } = refusal(read);
    expect(message).toContain(`${file(name)}, has format 99`);
    expect(message).toMatch(/reads formats 1 to \d/);
    expect(remedy).toContain('newer version of the action wrote it');
    expect(readFileSync(file(name), 'utf8')).toBe(before);
  });

  it.each([0, -1, 1.5, '1', true, [], {}])('with %j for a format is refused', (version) => {
    change(name, { version });
    expect(refusal(read).message).toContain('has format');
  });

  it.each(['', 'null', '[]', '7', '{"deployId"', '{}'])('holding %j is damaged', (content) => {
    writeFileSync(file(name), content);
    expect(refusal(read).message).toContain(`${file(name)}, is damaged`);
  });

  it('with any one field missing or of another type is damaged, and the error quotes no value', () => {
    const whole = json(name);
    for (const field of Object.keys(whole)) {
      for (const wrong of [undefined, { secret: 'hunter2-hunter2' }]) {
        // An object is right where a map of texts is taken.
        if (wrong !== undefined && field === 'rewritten') continue;
        change(name, { ...whole, [field]: wrong });
        const { message, remedy } = refusal(read);
        expect(message).toContain(field);
        expect(`${message} ${remedy}`).not.toContain('hunter2');
      }
    }
  });

  it('that is not there is null', () => {
    rmSync(file(name));
    expect(read()).toBeNull();
  });
});

test('a line of the journal that a newer version wrote is refused; a torn one is passed over', () => {
  const journal = openJournal(state);
  const known = journal.entries().length;
  appendFileSync(file('journal.ndjson'), '{"deploy":"torn","sta\n');
  expect(journal.entries()).toHaveLength(known);
  appendFileSync(file('journal.ndjson'), '{"version":2,"deploy":"later"}\n');
  expect(refusal(() => journal.entries()).message).toContain('has format 2');
});
