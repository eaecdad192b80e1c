import { expect, it } from 'vitest';
import { startLease } from '../../../src/host/program/lease.ts';

it('ends when nothing was heard for its limit, and each word renews it', () => {
  let time = 0;
  const lease = startLease(100, () => time);
  time = 100;
  expect(lease.hasEnded()).toBe(false);
  lease.renew();
  time = 200;
  expect(lease.hasEnded()).toBe(false);
  time = 201;
  expect(lease.hasEnded()).toBe(true);
});
