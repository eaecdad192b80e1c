import { expect, test } from 'vitest';
import { createClock } from '../../../src/host/system/clock.ts';

test('counts each moment of overlapping works once, and accounts apart', async () => {
  let time = 0;
  const clock = createClock(() => time);
  const ends: (() => void)[] = [];
  const work = (): Promise<void> => new Promise((resolve) => ends.push(resolve));
  const first = clock.book('git', work);
  time = 10;
  const second = clock.book('git', work);
  const other = clock.book('pm2', work);
  time = 30;
  ends[0]?.();
  await first;
  time = 60;
  ends[1]?.();
  ends[2]?.();
  await Promise.all([second, other]);
  time = 100;
  await clock.book('git', async () => {
    time = 105;
  });
  expect(clock.spent).toMatchObject({ git: 65, pm2: 50, build: 0 });
});

test('books the time of work that fails', async () => {
  let time = 0;
  const clock = createClock(() => time);
  const failing = clock.book('build', async () => {
    time = 7;
    throw new Error('no');
  });
  await expect(failing).rejects.toThrow('no');
  expect(clock.spent.build).toBe(7);
});
