import { expect, test } from 'vitest';
import { NEWEST } from '../rig/pm2.ts';
import { pick, random } from '../rig/random.ts';
import { FRAMEWORKS } from './frameworks/apps.ts';
import { startLane } from './frameworks/lane.ts';

/** Of what `npm run bench:frameworks` runs: one server that takes no package, in each of its forms. */
const PLAIN = FRAMEWORKS.filter(({ name }) => ['http', 'https', 'http2'].includes(name));
/** On a very busy machine a TLS connection that is just being opened was cut (2 of 437). A restart loses many more. */
const FEW = 3;
const seed = Number(process.env.FUZZ_SEED ?? 1);
const one = pick(random(seed), PLAIN);

test(`${one.name} in fork and in cluster mode, with shutdown code and without, is not restarted (FUZZ_SEED=${seed})`, async () => {
  await using lane = await startLane(NEWEST, null);
  const rows = await lane.run(one);
  expect(rows).toHaveLength(4);
  for (const row of rows) {
    expect(row.failed, JSON.stringify(row)).toBeLessThanOrEqual(FEW);
    expect(row.sent).toBeGreaterThan(100);
  }
});
