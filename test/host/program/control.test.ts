import { appendFileSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { hearsVerdict, listen, type RunnerLine } from '../../../src/host/program/control.ts';
import { type Lease, startLease } from '../../../src/host/program/lease.ts';
import type { Control } from '../../../src/protocol.ts';

let runDir: string;
let line: RunnerLine;
beforeEach(() => {
  runDir = mkdtempSync(join(tmpdir(), 'control-'));
  line = listen(runDir);
});
afterEach(() => line.close());

const say = (message: Control): void =>
  appendFileSync(join(runDir, 'control.ndjson'), `${JSON.stringify(message)}\n`);

it('resolves with go, whether it came before or after it was waited for', async () => {
  const waiting = line.go();
  say({ type: 'heartbeat' });
  say({ type: 'go' });
  await waiting;
  await line.go();
});

it('takes a cancel as final: a later go is refused', async () => {
  const waiting = line.go();
  say({ type: 'cancel', reason: 'the job was cancelled' });
  say({ type: 'go' });
  await expect(waiting).rejects.toThrow('the job was cancelled');
  await expect(line.go()).rejects.toThrow('the job was cancelled');
});

it('hears no cancel once it stands alone', async () => {
  line.standAlone();
  say({ type: 'cancel', reason: 'too late' });
  say({ type: 'go' });
  await line.go();
  expect(line.cancelled.aborted).toBe(false);
});

it('counts a cancel only when what must not be left half-way has ended', async () => {
  let during = true;
  await line.undisturbed(async () => {
    const told = line.go();
    say({ type: 'cancel', reason: 'the job was cancelled' });
    say({ type: 'go' });
    await told;
    during = line.cancelled.aborted;
  });
  expect(during).toBe(false);
  expect(line.cancelled.aborted).toBe(true);
  expect(() => line.standAlone()).toThrow('the job was cancelled');
});

it('puts a message together that arrives in pieces', async () => {
  appendFileSync(join(runDir, 'control.ndjson'), '{"type":');
  const waiting = line.go();
  appendFileSync(join(runDir, 'control.ndjson'), '"go"}\n');
  await waiting;
});

it('does not go on alone after a cancel that it has not heard yet', () => {
  say({ type: 'go' });
  say({ type: 'cancel', reason: 'the job was cancelled' });
  expect(() => line.standAlone()).toThrow(
    'Cancelled before the new version went live: the job was cancelled.',
  );
});

it('hears a cancel that was there before it', async () => {
  const early = mkdtempSync(join(tmpdir(), 'control-'));
  appendFileSync(join(early, 'control.ndjson'), '{"type":"cancel","reason":"too early"}\n');
  const other = listen(early);
  expect(other.cancelled.aborted).toBe(true);
  await expect(other.go()).rejects.toThrow('too early');
  other.close();
});

it('resolves with lock and the commit that it names, and with the go that follows', async () => {
  say({ type: 'lock', ref: 'a'.repeat(40) });
  expect(await line.lock()).toEqual({ type: 'lock', ref: 'a'.repeat(40) });
  say({ type: 'go', migrate: false });
  expect(await line.go()).toEqual({ type: 'go', migrate: false });
});

it('hears what becomes of a verified version, also before that is asked for; the first word counts', async () => {
  line.standAlone();
  say({ type: 'roll-back', reason: 'host-2 failed' });
  say({ type: 'done' });
  say({ type: 'cancel', reason: 'too late' });
  expect(await line.verdict()).toEqual({ type: 'roll-back', reason: 'host-2 failed' });
});

it('leaves a verified version in place when the lease ends without a word, and no sooner', async () => {
  let now = 0;
  const lease = (): Lease => startLease(1, () => now);
  const silent = listen(runDir, lease());
  silent.standAlone();
  // The lease has ended long before the version is verified: the runner may come back until then.
  now += 20;
  say({ type: 'roll-back', reason: 'host-2 failed' });
  expect(await silent.verdict()).toEqual({ type: 'roll-back', reason: 'host-2 failed' });
  silent.close();
  const unheard = listen(mkdtempSync(join(tmpdir(), 'control-')), lease());
  unheard.standAlone();
  now += 20;
  expect(await unheard.verdict()).toEqual({ type: 'silence' });
  unheard.close();
});

it('hears in a program that ends what another one left only whether the version stays, also what that one was told', async () => {
  say({ type: 'cancel', reason: 'the job was cancelled' });
  say({ type: 'roll-back', reason: 'host-2 failed' });
  const resumed = hearsVerdict(runDir);
  resumed.standAlone();
  expect(resumed.cancelled.aborted).toBe(false);
  expect(await resumed.verdict()).toEqual({ type: 'roll-back', reason: 'host-2 failed' });
  resumed.close();
});
