import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Failure, Step } from '../../protocol.ts';
import type { Checkout } from '../build/default-commands.ts';
import { runStep } from '../build/steps.ts';
import { type Context, warn } from '../context.ts';
import type { End } from '../program/end.ts';
import { treeOf } from '../state/places.ts';
import { fields, number, orNull, text } from '../system/checked.ts';
import { failureOf } from '../system/failure.ts';
import { exists } from '../system/paths.ts';
import { type Format, readVersioned, writeVersioned } from '../system/versioned.ts';

/** Whether the host serves: `before-reload-command` takes it out of a load balancer, `after-reload-command` puts it back. */
export interface Service {
  /** Runs `before-reload-command`. Throws where that does. */
  leave(): Promise<void>;
  /** Runs `after-reload-command` if the host has left. Says why that failed, if it did. */
  join(): Promise<Failure | null>;
}

/**
 * Runs `before-reload-command`, the work, then `after-reload-command`, however the work ended: a host that was taken out
 * of a load balancer has to come back. Throws where the first command or the work does.
 */
export async function betweenReloadCommands(
  context: Context,
  work: (service: Service) => Promise<End>,
): Promise<End> {
  const service = serviceOf(context);
  let end: End;
  try {
    await service.leave();
    end = await work(service);
  } catch (error) {
    const failure = await service.join();
    if (failure !== null) warn(context.log, failure.message);
    throw error;
  }
  const failure = await service.join();
  return failure === null ? end : withFailure(end, failure);
}

function serviceOf(context: Context): Service {
  const { steps, workingDirectory, commandTimeout } = context.plan;
  const { 'before-reload': before, 'after-reload': after } = steps;
  let hasLeft = false;
  return {
    async leave() {
      if (before.kind === 'none' && after.kind === 'none') return;
      writeVersioned(noteOf(context), FORMAT, {
        after: after.kind === 'command' ? after.command : null,
        workingDirectory,
        commandTimeout,
      });
      hasLeft = true;
      await runStep(context, 'before-reload', liveCheckout(context));
    },
    async join() {
      if (!hasLeft) return null;
      hasLeft = false;
      return runAfter(context);
    },
  };
}

/**
 * Runs the `after-reload-command` of a deploy whose program was killed before that, as that deploy would have run it. Says
 * why it failed, if it did.
 */
export async function endReloadCommands(context: Context): Promise<Failure | null> {
  const left = readVersioned(noteOf(context), FORMAT);
  if (left === null) return null;
  const { workingDirectory = context.plan.workingDirectory, commandTimeout = context.plan.commandTimeout } =
    left;
  const after: Step = left.after === null ? { kind: 'none' } : { kind: 'command', command: left.after };
  const steps = { ...context.plan.steps, 'after-reload': after };
  const plan = { ...context.plan, steps, workingDirectory, commandTimeout };
  const failure = await runAfter({ ...context, plan });
  if (failure === null) return null;
  const message = `A deploy was interrupted before its after-reload-command. It was run now: ${failure.message}`;
  warn(context.log, message);
  return { ...failure, message };
}

/** Whether the host serves, for a program that ends what a killed one left. */
export function leftService(context: Context): Service {
  return { leave: serviceOf(context).leave, join: () => endReloadCommands(context) };
}

/**
 * The failure of a run that could not end an interrupted deploy. Its `after-reload-command` is not run while nobody knows what
 * serves. The failure says that, since the host may still be out of its load balancer.
 */
export function withCommandLeft(context: Context, failure: Failure): Failure {
  const after = readVersioned(noteOf(context), FORMAT)?.after ?? null;
  if (after === null) return failure;
  return {
    ...failure,
    message: `${failure.message} The after-reload-command of the interrupted deploy has not run, so the host may still be out of its load balancer. A run that can end that deploy runs it. The command is below.`,
    output: [...failure.output, ...after.trim().split('\n')],
  };
}

async function runAfter(context: Context): Promise<Failure | null> {
  try {
    // A cancel is no reason to leave the host out of its load balancer.
    await runStep(context, 'after-reload', liveCheckout(context), new AbortController().signal);
    return null;
  } catch (error) {
    return failureOf(error, 'committed');
  } finally {
    rmSync(noteOf(context), { force: true });
  }
}

/** The version stays: to take it back would not put the host back either. */
export function withFailure(end: End, failure: Failure): End {
  if (end.failure === null) return { ...end, failure };
  const message = `${end.failure.message} ${failure.message}`;
  return { ...end, failure: { ...end.failure, message, output: [...end.failure.output, ...failure.output] } };
}

/** Before a first deploy there is no more than the directory itself. */
function liveCheckout({ places, plan }: Context): Checkout {
  const top = treeOf(places);
  const workDir = join(top, plan.workingDirectory);
  return { top, workDir: exists(workDir) ? workDir : top };
}

/** Says that the commands have begun, and what ends them. */
interface Note {
  after: string | null;
  /** Where and for how long, in milliseconds, it may run. Format 1 did not say. */
  workingDirectory?: string;
  commandTimeout?: number;
}

const noteOf = ({ places }: Context): string => join(places.state, 'after-reload.json');

const FORMAT: Format<Note> = {
  what: 'The note of commands around a reload',
  readers: [
    fields<Note>({ after: orNull(text) }),
    fields<Required<Note>>({ after: orNull(text), workingDirectory: text, commandTimeout: number }),
  ],
};
