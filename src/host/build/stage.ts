import { mkdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { type Context, inform, warn } from '../context.ts';
import { submodulePaths, trackedFiles } from '../git/checkout.ts';
import type { DeployApp } from '../pm2/app-config.ts';
import { secretsOfApp } from '../program/redact.ts';
import { buildPlace, envSources, refuseApart } from '../state/places.ts';
import { saveRecord } from '../swap/record.ts';
import { type Fingerprints, type Generated, recordGenerated } from '../swap/tree.ts';
import { DeployFailure } from '../system/failure.ts';
import { exists, isWithin, realOrSame } from '../system/paths.ts';
import { makePrivate, requirePrivate } from '../system/private-directory.ts';
import { readApps, readAppsEarly } from './apps.ts';
import { carryBuildCache } from './build-cache.ts';
import type { Checkout } from './default-commands.ts';
import { ecosystemIn } from './ecosystem.ts';
import { install } from './install.ts';
import { keepAssets, type Replaced } from './keep-assets.ts';
import { giveEnvFile, lendEnvFiles } from './lent-env-files.ts';
import { requireFiles } from './required-files.ts';
import { checkOut, endLeftBuild } from './staging-clone.ts';
import { runStep } from './steps.ts';

/** A version that was built aside and could be swapped in. */
export interface Staged {
  sha: string;
  /** The finished build, and where it will put what it replaces. */
  staging: string;
  kept: string;
  generated: Generated;
  /** Paths in it that the deploy's inputs brought, and no commit or build. */
  given: readonly string[];
  /** File in the state directory that holds `generated`. */
  record: string;
  config: DeployApp[];
}

/** Throws a `DeployFailure` if these apps cannot be deployed; `top` is where their version lies. */
export type Refuse = (apps: readonly DeployApp[], top: string) => Promise<void>;

/** The version in live, compared with this deploy. */
export interface Compared extends Replaced {
  /** Whether it was verified with the settings that this deploy has. */
  sameSettings: boolean;
}

/**
 * Checks the commit out aside, installs and builds it there, and reads what PM2 is to run of it. Asks `refuse` as soon as
 * the ecosystem file can be read: before the build, if the file is a new one and needs nothing that is installed. Assets of the `replaced`
 * version come along, and what its build left for this one.
 */
export async function stage(
  context: Context,
  sha: string,
  replaced: Compared,
  refuse: Refuse,
): Promise<Staged> {
  const { plan, places } = context;
  refuseApart(places);
  makePrivate(places.beside, join(places.beside, plan.deployId));
  discardLeftovers(context);
  const workshop = join(places.beside, 'staging');
  const origin = { ...context.access, repository: plan.repository };
  await checkOut(context.git, context.gitIn, workshop, sha, origin);
  const submodules = await submodulePaths(context.gitIn(workshop), context.gitIn, sha);
  const workDir = requireWorkDir(workshop, plan.workingDirectory);
  const tracked = await trackedFiles(context.git, sha);
  const lent = await lendEnvFiles(context, workshop, tracked);
  if (lent.shown.length > 0)
    inform(
      context.log,
      `Install and build see copies of these files of ${envSources(places).join(' and ')}: ${lent.shown.join(', ')}.`,
    );
  const checkout = { top: workshop, workDir };
  const early = isReadAlready(context, checkout, tracked, replaced)
    ? null
    : await readAppsEarly(context, workshop, plan.deployId);
  if (early !== null) await refuse(early, workshop);
  await install(context, checkout, tracked, lent.paths);
  await carryBuildCache(context, workshop, tracked, replaced);
  await runStep(context, 'build', checkout);

  // A path into staging that the build wrote down must fail where it can still be seen: before the version is live.
  const staging = buildPlace(context);
  requirePrivate(places.beside);
  mkdirSync(dirname(staging), { recursive: true });
  renameSync(workshop, staging);
  const config = await readVersion(context, staging, refuse);
  lent.takeBack(staging);
  // Each names a directory of the staging clone that does not come along.
  for (const path of submodules) rmSync(join(staging, path, '.git'), { force: true });
  const assets = keepAssets(context, staging, replaced);
  const generated = recordGenerated(staging, tracked, assets);
  const record = saveRecord(places.state, plan.deployId, generated);
  // No build made it, so that a later deploy without `env-file` leaves it alone.
  const given = giveEnvFile(context, staging, tracked);
  const kept = join(places.beside, plan.deployId, 'kept');
  return { sha, staging, kept, generated, given, record, config };
}

/**
 * Whether this very ecosystem file was read for the live version, with the same settings, and not refused. It is read again after
 * the build in any case; a look at it takes a process, 50 ms or more.
 */
function isReadAlready(
  { plan }: Context,
  { top, workDir }: Checkout,
  tracked: Fingerprints,
  { tracked: trackedOld, sameSettings }: Compared,
): boolean {
  const file = plan.ecosystem === null ? ecosystemIn(workDir) : join(workDir, plan.ecosystem);
  if (plan.script !== null || file === null || !sameSettings) return false;
  const path = relative(top, file);
  return tracked.has(path) && trackedOld.get(path) === tracked.get(path);
}

/** What PM2 is to run of the version at `staging`, refused if it cannot be deployed. */
export async function readVersion(context: Context, staging: string, refuse: Refuse): Promise<DeployApp[]> {
  const { plan, places } = context;
  tellUnusedEcosystem(context, join(staging, plan.workingDirectory));
  const config = await readApps(context, staging, plan.deployId);
  for (const app of config) {
    context.redactor.hide(secretsOfApp(app));
    requireFiles(app, places, staging);
  }
  await refuse(config, staging);
  return config;
}

/** `script` was asked for: a file that says something else is not read, and nobody should wait for it to count. */
function tellUnusedEcosystem({ plan, log }: Context, workDir: string): void {
  const found = plan.script === null ? null : ecosystemIn(workDir);
  if (found === null) return;
  warn(
    log,
    `${basename(found)} is not used, because \`script\` is set. Leave \`script\` out to use that file.`,
  );
}

/** Where the app lives in the checkout; a link may not lead install and build to somewhere else. */
function requireWorkDir(staging: string, workingDirectory: string): string {
  const workDir = join(staging, workingDirectory);
  const real = realOrSame(workDir);
  if (!isWithin(realOrSame(staging), real)) {
    throw new DeployFailure(
      `working-directory '${workingDirectory}' is a link in the commit, and leads out of it, to ${real}.`,
      { remedy: 'Name a directory of the repository itself.' },
    );
  }
  if (statSync(real, { throwIfNoEntry: false })?.isDirectory() === true) return workDir;
  throw new DeployFailure(`The commit has no directory '${workingDirectory}' (working-directory).`);
}

/** Partial work of a deploy that was killed is put out of the way; it is deleted when this one has ended. */
export function discardLeftovers({ places }: Context): void {
  const workshop = join(places.beside, 'staging');
  endLeftBuild(places.beside);
  if (exists(workshop)) renameSync(workshop, join(places.beside, `discarded-${Date.now()}`));
}
