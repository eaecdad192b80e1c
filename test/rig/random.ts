/** Whole numbers from 0, each below what is asked for. */
export type Random = (below: number) => number;

/** A small generator with a seed, so that what failed once fails again. */
export function random(seed: number): Random {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

/** One of a list that is not empty. */
export function pick<T>(rand: Random, from: readonly T[]): T {
  return from[rand(from.length)] as T;
}
