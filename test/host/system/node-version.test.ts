import { expect, test } from 'vitest';
import { loadsPreload, sharesPorts, versionOf } from '../../../src/host/system/node-version.ts';
import { ALL_RUNTIMES } from '../../rig/pm2.ts';

test('a Node says its version, and what it can do follows from that', async () => {
  const versions = await Promise.all(ALL_RUNTIMES.map(({ node }) => versionOf(node)));
  expect(versions.map((version) => version?.[0])).toEqual([16, 20, 24]);
  expect(versions.map((version) => version !== null && loadsPreload(version))).toEqual([false, true, true]);
  expect(versions.map((version) => version !== null && sharesPorts(version))).toEqual([false, false, true]);
  expect(await versionOf('/bin/sh')).toBe(null);
});
