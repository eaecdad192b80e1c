import { accessSync, constants, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Plan } from '../../protocol.ts';
import { type Context, inform, warn } from '../context.ts';
import { inspectCheckout } from '../git/checkout.ts';
import { type Git, gitIn, gitMissing } from '../git/git.ts';
import { secretsOfSettings } from '../git/settings-secrets.ts';
import { openPm2 } from '../pm2/session.ts';
import type { RunnerLine } from '../program/control.ts';
import type { EventLog } from '../program/events.ts';
import { type Redactor, secretsOfEnvironment } from '../program/redact.ts';
import { openJournal } from '../state/journal.ts';
import { placesOf, resolvePath, stateRoot, treeOf } from '../state/places.ts';
import type { Clock } from '../system/clock.ts';
import { pm2Environment, sessionless, withNode } from '../system/environment.ts';
import { DeployFailure, diskTrouble } from '../system/failure.ts';
import type { HeldLocks } from '../system/lock.ts';
import { requireSurvival } from '../system/logind.ts';
import { mounts } from '../system/mounts.ts';
import { parseVersion } from '../system/node-version.ts';
import { exists } from '../system/paths.ts';
import { commandLines, remarksOnPm2, requireVolumes, waitForRuntime } from './in-container.ts';
import { providePm2 } from './provide-pm2.ts';

interface Start {
  plan: Plan;
  runDir: string;
  log: EventLog;
  redactor: Redactor;
  runner: RunnerLine;
  clock: Clock;
  env: NodeJS.ProcessEnv;
  home: string;
  /** Whether this is to bring a version: what one needs need not be there to look, or to end another. */
  isNew: boolean;
}

/**
 * Finds everything that the deploy needs and refuses what cannot go well. Changes nothing on the host, but that it installs
 * PM2 if the plan asks for it.
 */
export async function preflight(start: Start): Promise<Context> {
  const { plan, home, clock, runner } = start;
  refuseOldNode(process.version);
  const top = resolvePath(plan.path, home);
  const places = placesOf(top, plan.workingDirectory, stateRoot(start.env, home), plan.layout.kind);
  const surroundings = withNode(start.env, process.execPath);
  const env = sessionless(surroundings);
  const locks: HeldLocks = new Set();
  const gitAt = (directory: string, cancel: AbortSignal | null = runner.cancelled): Git =>
    gitIn(directory, {
      clock,
      env,
      timeLimit: plan.commandTimeout,
      ...(cancel !== null && { cancel }),
      locks,
    });

  refuseUnusable(top, plan.path);
  if (start.isNew && plan.mode !== 'remove') {
    if (plan.container !== null) requireVolumes(plan.container, places, mounts());
    await requireSurvival(env);
  }
  const git = await requireGit(gitAt, start, top);
  start.redactor.hide(await secretsOfSettings(exists(top) ? git : gitAt('/')));
  const provided = { plan, log: start.log, runner, env, home, root: dirname(places.state), locks };
  const pm2 = await clock.book('pm2', () =>
    openPm2({
      env: pm2Environment(surroundings),
      home,
      workDir: join(treeOf(places), plan.workingDirectory),
      configDir: start.runDir,
      locks,
      provide: async (find) => (start.isNew || plan.mode === 'check' ? providePm2(provided, find) : find()),
    }),
  );
  if (plan.container !== null) await waitForRuntime(pm2);
  for (const { env: secret } of await pm2.list()) start.redactor.hide(secretsOfEnvironment(secret));
  inform(
    start.log,
    `Node ${process.version} (${process.execPath}), PM2 ${pm2.install.version} (${pm2.install.root}), path ${top}.`,
  );
  if (plan.container !== null && start.isNew) {
    for (const remark of remarksOnPm2(plan.container, pm2.daemonPid(), commandLines()))
      warn(start.log, remark);
  }
  if (pm2.otherDaemon !== null) {
    warn(
      start.log,
      `PM2's daemon runs version ${pm2.otherDaemon}, its command is ${pm2.install.version}. The deploy does not update the daemon, because that takes every app down for a moment. Run 'pm2 update' when it suits.`,
    );
  }
  if (pm2.otherNode !== null) {
    warn(
      start.log,
      `PM2's daemon runs Node ${pm2.otherNode}, and so do apps in cluster mode. This deploy, install and build run ${process.version}. To have one version for all, run 'pm2 update' with the Node that you want: it takes every app down for a moment. Or put the daemon's Node first on PATH with shell-init.`,
    );
  }
  return {
    plan,
    runDir: start.runDir,
    places,
    log: start.log,
    redactor: start.redactor,
    runner,
    journal: openJournal(places.state),
    pm2,
    env,
    gitIn: (directory: string) => gitAt(directory),
    git,
    gitAfterwards: gitAt(top, null),
    access: { gitToken: plan.gitToken, say: onceEach((text) => inform(start.log, text)) },
    clock,
    locks,
  };
}

/** Each part of a deploy that needs the token says so. */
function onceEach(say: (text: string) => void): (text: string) => void {
  const said = new Set<string>();
  return (text) => {
    if (!said.has(text)) say(text);
    said.add(text);
  };
}

/** Node 16 got `Array.prototype.at`, `fs.cpSync` and the reason of an abort on its way, 16.14 the last of them. */
export function refuseOldNode(version: string): void {
  const [major, minor] = parseVersion(version) ?? [0, 0];
  if (major > 16 || (major === 16 && minor >= 14)) return;
  throw new DeployFailure(`Node ${version} is too old for a deploy: it takes 16.14 or newer.`, {
    remedy:
      'Install the last Node 16 (16.20.2) or a newer one on the server. Or put another one on PATH with shell-init.',
  });
}

function refuseUnusable(live: string, given: string): void {
  if (exists(live) && !statSync(live).isDirectory())
    throw new DeployFailure(`path '${given}' is not a directory: ${live}.`);
  let parent = exists(live) ? live : dirname(live);
  while (!exists(parent)) parent = dirname(parent);
  try {
    accessSync(parent, constants.W_OK | constants.X_OK);
  } catch (error) {
    const disk = diskTrouble(error);
    if (disk !== null) throw disk;
    throw new DeployFailure(`This user may not write to ${parent} (uid ${process.getuid?.()}).`, {
      remedy: `Deploy as its owner, or give it to this user on the server: 'sudo chown -R <user> ${parent}'.`,
    });
  }
}

/** Git in `live`, once it is there and what stands at `live` is what this mode takes. */
async function requireGit(gitAt: (directory: string) => Git, start: Start, live: string): Promise<Git> {
  try {
    const isThere = exists(live);
    if (!isThere) await gitAt('/').attempt(['--version']);
    const found = isThere ? await inspectCheckout(live, gitAt(live), preparedFor(start.plan)) : 'absent';
    if (found === 'absent') refuseNothing(start, live);
  } catch (error) {
    throw gitMissing(error) ?? error;
  }
  return gitAt(live);
}

/** Entries that a user may have put into `path` before there is a version. */
function preparedFor({ layout }: Plan): string[] {
  return layout.kind === 'releases' ? ['shared'] : [];
}

/** A first deploy makes the checkout, and a check answers for one. The other modes are about what was deployed before. */
function refuseNothing({ plan, isNew }: Start, live: string): void {
  const { mode, path } = plan;
  if (mode !== 'status' && !(mode === 'rollback' && isNew)) return;
  throw new DeployFailure(`Nothing was ever deployed to path '${path}': ${live} has no checkout.`, {
    remedy:
      mode === 'rollback'
        ? 'Check path for a typing error: a rollback needs the path of the earlier deploys. A first version is deployed with mode deploy.'
        : 'Check path for a typing error: a status needs the path of the earlier deploys.',
  });
}
