import { homedir } from 'node:os';
import { LEASE, type Plan } from '../../protocol.ts';
import type { Context } from '../context.ts';
import { secretsOfPlan } from '../deploy/plan-secrets.ts';
import { preflight } from '../deploy/preflight.ts';
import { resultOf } from '../deploy/result.ts';
import { standsAlone } from '../program/control.ts';
import type { End } from '../program/end.ts';
import { printEvents } from '../program/events.ts';
import { leave, printer } from '../program/printer.ts';
import { createRedactor } from '../program/redact.ts';
import { createClock } from '../system/clock.ts';
import { failureOf } from '../system/failure.ts';
import { check } from './check.ts';
import { status } from './status.ts';

/** There is no run directory: whoever tries to write to it finds that out. */
const NOWHERE = '/dev/null';

/**
 * Carries out `check` or `status` within the session itself, without a file and without a process that outlives it:
 * nothing on the host is changed. Prints the same lines as a follower.
 */
export function look({ nonce, plan }: { nonce: string; plan: Plan }): void {
  const print = printer(nonce);
  // If nobody reads the answer, there is no need for one.
  process.stdin.on('end', leave).on('error', leave).resume();
  setTimeout(leave, LEASE).unref();
  const redactor = createRedactor();
  redactor.hide(secretsOfPlan(plan));
  const log = printEvents(print, redactor);
  void lookAround(plan, log, redactor).then((result) => {
    log({ type: 'end', result });
    process.stdout.write('', leave);
  });
}

async function lookAround(
  plan: Plan,
  log: ReturnType<typeof printEvents>,
  redactor: ReturnType<typeof createRedactor>,
): ReturnType<typeof resultOf> {
  const started = performance.now();
  const clock = createClock();
  let context: Context | null = null;
  let end: End;
  try {
    log({ type: 'state', state: 'preflight', atMs: 0 });
    const isNew = plan.mode === 'check';
    context = await preflight({
      plan,
      runDir: NOWHERE,
      log,
      redactor,
      runner: standsAlone(),
      clock,
      env: process.env,
      home: homedir(),
      isNew,
    });
    end = await (isNew ? check(context) : status(context));
  } catch (error) {
    end = { outcome: 'failed', sha: null, previousSha: null, failure: failureOf(error, 'preflight') };
  }
  const progress = { sha: null, entered: [{ state: 'preflight' as const, atMs: 0 }] };
  return resultOf({ plan, end, context, progress, clock, started });
}
