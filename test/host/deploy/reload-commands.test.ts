import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Context } from '../../../src/host/context.ts';
import {
  betweenReloadCommands,
  endReloadCommands,
  withCommandLeft,
} from '../../../src/host/deploy/reload-commands.ts';
import { standsAlone } from '../../../src/host/program/control.ts';
import { createClock } from '../../../src/host/system/clock.ts';
import type { Plan } from '../../../src/protocol.ts';
import { failure } from '../../report/results.ts';
import { somePlan } from '../../rig/plan.ts';

let scratch: string;
beforeEach(() => {
  scratch = realpathSync(mkdtempSync(join(tmpdir(), 'reload-commands-')));
  for (const name of ['live/one', 'live/other', 'state']) mkdirSync(join(scratch, name), { recursive: true });
});
afterEach(() => rmSync(scratch, { recursive: true, force: true }));

function contextOf(plan: Partial<Plan>): Context {
  const live = join(scratch, 'live');
  const whole = somePlan(plan);
  return {
    plan: whole,
    runDir: scratch,
    places: {
      top: live,
      live,
      workDir: join(live, whole.workingDirectory),
      beside: '',
      state: join(scratch, 'state'),
    },
    clock: createClock(),
    locks: new Set(),
    runner: standsAlone(),
    env: { PATH: process.env.PATH },
    log: () => {},
  } as unknown as Context;
}

/** A deploy whose program is killed between the two commands. */
function killedBetween(after: string, plan: Partial<Plan> = {}): void {
  const steps = { ...somePlan().steps, 'after-reload': { kind: 'command' as const, command: after } };
  void betweenReloadCommands(contextOf({ ...plan, steps }), () => new Promise(() => {}));
}

const said = (): string => readFileSync(join(scratch, 'said'), 'utf8').trim();

test('what a killed deploy left to run is run where that deploy would have run it', async () => {
  killedBetween(`pwd > ${scratch}/said`, { workingDirectory: 'one' });
  const next = contextOf({ workingDirectory: 'other' });
  expect(await endReloadCommands(next)).toBeNull();
  expect(said()).toBe(join(scratch, 'live/one'));
  rmSync(join(scratch, 'said'));
  expect(await endReloadCommands(next)).toBeNull();
  expect(() => said()).toThrow('ENOENT');
});

test('in a checkout that is about to be taken over, the commands run in the working directory', async () => {
  const command = { kind: 'command' as const, command: `pwd >> ${scratch}/said` };
  const steps = { ...somePlan().steps, 'before-reload': command, 'after-reload': command };
  const context = contextOf({ workingDirectory: 'one', steps });
  context.places.live = join(scratch, 'live/current');
  context.places.workDir = join(scratch, 'live/current/one');
  const end = { outcome: 'deployed' as const, sha: null, previousSha: null, failure: null };
  mkdirSync(join(scratch, 'live/releases/new/one'), { recursive: true });
  await betweenReloadCommands(context, async () => {
    symlinkSync('releases/new', context.places.live);
    return end;
  });
  expect(said().split('\n')).toEqual([join(scratch, 'live/one'), join(scratch, 'live/releases/new/one')]);
});

test('and for no longer than that deploy allowed', async () => {
  killedBetween('sleep 30', { commandTimeout: 200 });
  expect((await endReloadCommands(contextOf({ commandTimeout: 60_000 })))?.message).toContain(
    'did not end within',
  );
});

test('a note of an older version is read, and its command run as this plan says', async () => {
  const note = { version: 1, after: `pwd > ${scratch}/said` };
  writeFileSync(join(scratch, 'state/after-reload.json'), JSON.stringify(note));
  expect(await endReloadCommands(contextOf({ workingDirectory: 'other' }))).toBeNull();
  expect(said()).toBe(join(scratch, 'live/other'));
});

test('a run that cannot end the killed deploy says which command has not run, and leaves it to the next run', async () => {
  const failed = failure({ message: 'Its record is gone.', output: ['first'] });
  const context = contextOf({});
  expect(withCommandLeft(context, failed)).toEqual(failed);
  killedBetween(`pwd > ${scratch}/said\ntrue\n`);
  expect(withCommandLeft(context, failed)).toMatchObject({
    message: expect.stringMatching(/^Its record is gone. The after-reload-command of .* has not run/),
    output: ['first', `pwd > ${scratch}/said`, 'true'],
  });
  expect(await endReloadCommands(context)).toBeNull();
  expect(said()).toBe(join(scratch, 'live'));
});
