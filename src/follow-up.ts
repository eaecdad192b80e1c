import { scrypt, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import type { Inputs } from './inputs.ts';
import { makePlan } from './plan.ts';
import { MODES, type Plan } from './protocol.ts';
import type { LeftDeploy } from './report/left-for-post.ts';
import { SessionError } from './runner/session/session-error.ts';
import { lookAtEvents } from './runner/session/session-failures.ts';
import type { Workflow } from './workflow.ts';

const derive = promisify<string, string, number, Buffer>(scrypt);

/** Milliseconds, all of these. */
const CONNECTING = 30_000;
/** PM2's own limits for each instance are not known here: this is for a dozen slow ones. */
const RELOAD = 60_000;
/** GitHub ends a cancelled job for good after 5 minutes; `main` may have used 10 s of them, and the report needs some. */
const MOST = 280_000;

/** What `main` leaves for `post` of a deploy that is about to begin. */
export async function leftDeploy(plan: Plan, { destinations }: Inputs): Promise<LeftDeploy> {
  const { deployId, mode, ref } = plan;
  return { deployId, destination: await digestOf(destinations, plan), mode, ref: ref ?? '' };
}

/**
 * The plan of a deploy that `main` has left. Inputs are evaluated anew for `post`, and a later step may have changed what
 * they say: throws a `SessionError` where they name another destination.
 */
export async function planOfLeft(left: LeftDeploy, inputs: Inputs, workflow: Workflow): Promise<Plan> {
  const { deployId, ref } = left;
  const mode = MODES.find((known) => known === left.mode);
  const plan: Plan = { ...makePlan(inputs, workflow), deployId };
  const given = Buffer.from(await digestOf(inputs.destinations, plan));
  const known = Buffer.from(left.destination);
  if (mode === undefined || given.length !== known.length || !timingSafeEqual(given, known))
    throw elsewhere(inputs.destinations.map(({ label }) => label).join(', '), deployId);
  return { ...plan, mode, ref: ref === '' ? null : ref };
}

/**
 * How long `post` follows a deploy, in milliseconds: as long as the plan gives the new version to become healthy and, where
 * it does not, the old one too. What comes before the reload is cancelled.
 */
export function followedFor({ healthTimeout, stableFor }: Pick<Plan, 'healthTimeout' | 'stableFor'>): number {
  return Math.min(MOST, CONNECTING + 2 * (RELOAD + healthTimeout + stableFor));
}

/**
 * A digest of where a deploy goes. The runner keeps it in a file, and an address may be somebody's secret: the salt and the
 * time that one guess takes keep it from being found by trying.
 */
async function digestOf(
  destinations: Inputs['destinations'],
  { path, container, deployId }: Plan,
): Promise<string> {
  const logins = destinations.map(({ host, port, username }) => [host.toLowerCase(), port, username]);
  const digest = await derive(JSON.stringify([logins, path, container?.name]), deployId, 32);
  return digest.toString('hex');
}

function elsewhere(label: string, deployId: string): SessionError {
  return new SessionError(
    `The post step got another host, port, user, container or path than the deploy. It is not known how the deploy on ${label} ended. Nobody cancelled it.`,
    `GitHub evaluates the inputs again for the post step, and a later step changed one, such as host: \${{ env.TARGET }}. Use a value that does not change. ${lookAtEvents(deployId)}`,
    [],
    true,
  );
}
