import { expect, test } from 'vitest';
import { restartTimes } from '../../../src/host/pm2/restart-times.ts';
import { ALL_RUNTIMES } from '../../rig/pm2.ts';

test.each(ALL_RUNTIMES)(
  '$name: the times are those of PM2, in order and no further ahead',
  async ({ pm2Root }) => {
    const times = await restartTimes(pm2Root, process.env, ['*/20 * * * * *', '0 * * * *'], 60_000);
    expect(times.length).toBeGreaterThanOrEqual(3);
    expect(times.length).toBeLessThanOrEqual(4);
    expect(times).toEqual([...times].sort((a, b) => a - b));
    for (const time of times) {
      expect(time).toBeGreaterThanOrEqual(0);
      expect(time).toBeLessThanOrEqual(60_000);
    }
  },
);

test('a pattern that cannot be read gives none', async () => {
  expect(await restartTimes(ALL_RUNTIMES[0]?.pm2Root ?? '', process.env, ['now and then'], 60_000)).toEqual(
    [],
  );
});
