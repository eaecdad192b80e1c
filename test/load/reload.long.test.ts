import { afterAll, beforeAll, expect, test } from 'vitest';
import { MIDDLE } from '../rig/pm2.ts';
import { CASES } from './cases.ts';
import { type Lane, startLane } from './lane.ts';

/** Of the cases that `npm run bench:reload` runs on every PM2, a few on the one that the other tests know least. */
const chosen = CASES.filter(({ inTests }) => inTests === true);

let lane: Lane;
beforeAll(async () => {
  lane = await startLane(MIDDLE, 2);
});
afterAll(() => lane?.[Symbol.asyncDispose]());

test.each(chosen)(`under load, ${MIDDLE.name}: $title`, async (one) => {
  const { wrong, log } = await lane.run(one);
  expect(wrong, log).toEqual([]);
});
