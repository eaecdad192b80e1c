import { mkdirSync, renameSync, rmdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { sync } from '../system/durable.ts';
import { DeployFailure } from '../system/failure.ts';
import { mountPoints } from '../system/mounts.ts';
import { isWithin, isWritable, realOrSame } from '../system/paths.ts';
import { codeOf, isSameFile, type OnStep, removeName, renameIfFree, statOf } from './rename.ts';
import type { SwapOp } from './swap-list.ts';
import { parentsOf } from './tree.ts';

/** Absolute directories on one filesystem: the user's, the finished build, and what takes the replaced things. */
export interface SwapPlaces {
  live: string;
  staging: string;
  kept: string;
}

export interface SwapResult {
  /** Paths that came up in live again in the middle of the swap: what was there lies in `<kept>.reappeared`. */
  reappeared: string[];
}

/** A path that is written again each time that it is set aside is given up after this many times. */
const TRIES = 100;
/** So many things of one path can be set aside. */
const ASIDES = 10_000;

/**
 * Puts the new version in place: of each path, live → kept, then staging → live. What is done already is told by what
 * is on disk alone, so it can be run again after a kill at any point, of itself or of `swapBackward`. Nothing is ever
 * overwritten. Returns once the directories are on disk. Throws a DeployFailure if something is gone, or in the way
 * for good; then `swapBackward` restores.
 */
export function swapForward(
  places: SwapPlaces,
  ops: readonly SwapOp[],
  onStep: OnStep = () => {},
): SwapResult {
  return carryOut(places, ops, onStep, forward);
}

/** The same list backwards, live → staging and then kept → live, by the same rules. What never went is left. */
export function swapBackward(
  places: SwapPlaces,
  ops: readonly SwapOp[],
  onStep: OnStep = () => {},
): SwapResult {
  return carryOut(places, [...ops].reverse(), onStep, backward);
}

/** Whether every path of the list has gone to where the new version wants it, and none came back. */
export function isForward({ staging, kept }: SwapPlaces, ops: readonly SwapOp[]): boolean {
  return ops.every(
    (op) =>
      (!op.staging || statOf(`${staging}/${op.path}`) === null) &&
      (!op.live || statOf(`${kept}/${op.path}`) !== null),
  );
}

/**
 * Checks, before anything is touched, that the list can be carried out: what it names is there, nothing is in the way,
 * no mount point is crossed, and this user may rename it all. Throws a DeployFailure.
 */
export function checkSwap(places: SwapPlaces, ops: readonly SwapOp[]): void {
  const device = statOf(places.staging)?.dev;
  const mounted = mountPoints();
  const top = realOrSame(places.live);
  for (const { path, live, staging } of ops) {
    const refuse = (what: string, remedy = 'Run the job again.'): never => {
      throw new DeployFailure(`${JSON.stringify(path)} ${what}. Nothing was changed.`, { remedy });
    };
    const at = `${top}/${path}`;
    const here = statOf(`${places.live}/${path}`);
    if ((here !== null) !== live)
      refuse(`has ${live ? 'gone from' : 'come up in'} the live directory meanwhile`);
    if ((statOf(`${places.staging}/${path}`) !== null) !== staging)
      refuse('has changed in the finished build');
    if (statOf(`${places.kept}/${path}`) !== null) refuse('was replaced already');
    if (here !== null && (here.dev !== device || mounted.some((point) => isWithin(at, point))))
      refuse('is a mount point, or holds one', 'Mount a directory that neither git nor the build makes.');
    // A directory's own entry `..` changes when it moves to another parent.
    const mustWrite = [
      dirname(`${places.live}/${path}`),
      ...(here?.isDirectory() ? [`${places.live}/${path}`] : []),
    ];
    if (!mustWrite.every(isWritable))
      refuse(
        'may not be moved by the deploying user',
        'Give the files of path to that user, or deploy as their owner.',
      );
  }
}

interface Work {
  kept: string;
  reappeared: Set<string>;
  onStep: OnStep;
}

/** One path in the three places. */
interface Spot {
  path: string;
  live: string;
  staging: string;
  kept: string;
}

type Direction = (work: Work, spot: Spot, op: SwapOp) => void;

function carryOut(
  { live, staging, kept }: SwapPlaces,
  ops: readonly SwapOp[],
  onStep: OnStep,
  direction: Direction,
): SwapResult {
  const work: Work = { kept, reappeared: new Set(), onStep };
  for (const op of ops) {
    const { path } = op;
    if (path.split('/').some((name) => ['', '.', '..', '.git'].includes(name)))
      throw new Error(`${JSON.stringify(path)} can be no path of a swap`);
    const spot = { path, live: `${live}/${path}`, staging: `${staging}/${path}`, kept: `${kept}/${path}` };
    try {
      direction(work, spot, op);
    } catch (error) {
      if (error instanceof DeployFailure) throw error;
      const message = `${JSON.stringify(path)} could not be swapped: ${(error as Error).message}`;
      throw new DeployFailure(message, { cause: error });
    }
  }
  const parents = [...parentsOf(ops.map(({ path }) => path))];
  if (direction === backward) removeEmptied(kept, parents);
  for (const parent of parents) {
    for (const root of [live, staging, kept]) attempt(() => sync(`${root}/${parent}`));
  }
  return { reappeared: [...work.reappeared] };
}

/**
 * What is where tells how far a path has come. Where two places name one file, a kill came between the two halves of
 * `renameIfFree`: the second half is made up for, or the first undone. Hard links that were there before do not look
 * like that, since there is never both a kept and a coming file beside a live one otherwise.
 */
function forward(work: Work, spot: Spot, op: SwapOp): void {
  const kept = op.live ? statOf(spot.kept) : null;
  const coming = op.staging ? statOf(spot.staging) : null;
  let here = statOf(spot.live);
  if (isSameFile(kept, here) && (coming !== null || !op.staging)) {
    removeName(spot.live, work.onStep);
    here = null;
  }
  if (!op.staging) {
    // What is in live beside a kept one came up after it: the new version has nothing that could be in its way.
    if (here !== null && kept === null) keep(work, spot);
    return;
  }
  if (coming === null) {
    if (op.live ? kept === null : here === null) throw gone(spot, 'the finished build');
    return;
  }
  if (isSameFile(here, coming) && (kept !== null || !op.live)) {
    removeName(spot.staging, work.onStep);
    return;
  }
  if (op.live && kept === null) {
    if (here === null) throw gone(spot, 'the live directory');
    keep(work, spot);
  }
  place(work, spot, spot.staging);
}

function backward(work: Work, spot: Spot, op: SwapOp): void {
  const kept = op.live ? statOf(spot.kept) : null;
  // Never kept, or restored already: what is in live is not the new version's.
  if (op.live && kept === null) return;
  const returned = op.staging ? statOf(spot.staging) : null;
  const here = statOf(spot.live);
  if (isSameFile(here, returned)) removeName(spot.live, work.onStep);
  else if (isSameFile(here, kept) && (returned !== null || !op.staging)) {
    removeName(spot.kept, work.onStep);
    return;
  } else if (here !== null && op.staging && returned === null) {
    mkdirSync(dirname(spot.staging), { recursive: true });
    renameSync(spot.live, spot.staging);
    work.onStep();
  }
  if (kept === null) return;
  mkdirSync(dirname(spot.live), { recursive: true });
  place(work, spot, spot.kept);
}

function keep(work: Work, spot: Spot): void {
  mkdirSync(dirname(spot.kept), { recursive: true });
  renameSync(spot.live, spot.kept);
  work.onStep();
}

/** Moves something into live. The app may write there at any moment: that is set aside first, as often as it comes. */
function place(work: Work, spot: Spot, from: string): void {
  for (let tries = 0; tries < TRIES; tries++) {
    if (statOf(spot.live) !== null) setAside(work, spot);
    if (renameIfFree(from, spot.live, work.onStep)) return;
  }
  throw new DeployFailure(`${JSON.stringify(spot.path)} was written again each time that it was replaced.`, {
    remedy: 'Stop what writes there, and run the job again.',
  });
}

function setAside(work: Work, spot: Spot): void {
  for (let n = 0; n < ASIDES; n++) {
    const aside = `${work.kept}.reappeared${n === 0 ? '' : `.${n}`}/${spot.path}`;
    try {
      mkdirSync(dirname(aside), { recursive: true });
      if (statOf(aside) !== null) continue;
      renameSync(spot.live, aside);
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return;
      // An earlier one stands where a parent is needed.
      if (codeOf(error) === 'ENOTDIR' || codeOf(error) === 'EEXIST') continue;
      throw error;
    }
    work.reappeared.add(spot.path);
    work.onStep();
    return;
  }
}

function gone(spot: Spot, where: string): DeployFailure {
  return new DeployFailure(`${JSON.stringify(spot.path)} has gone from ${where} in the middle of the swap.`);
}

/** The parents that `keep` made are empty once everything is back. */
function removeEmptied(kept: string, parents: readonly string[]): void {
  const deepestFirst = parents.filter((path) => path !== '').sort((a, b) => b.length - a.length);
  for (const parent of deepestFirst) attempt(() => rmdirSync(`${kept}/${parent}`));
}

/** For what is well meant and may fail: a directory that is not there, a filesystem that cannot sync one. */
function attempt(work: () => void): void {
  try {
    work();
  } catch {
    // Nothing depends on it.
  }
}
