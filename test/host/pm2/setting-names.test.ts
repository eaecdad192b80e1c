import { createRequire } from 'node:module';
import { describe, expect, test } from 'vitest';
import { isSetting, nearestSetting } from '../../../src/host/pm2/setting-names.ts';
import { ALL_RUNTIMES } from '../../rig/pm2.ts';

describe.each(ALL_RUNTIMES)('$name', ({ pm2Root }) => {
  test('PM2 takes exactly these names', () => {
    const { schema } = createRequire(import.meta.url)(`${pm2Root}/lib/tools/Config.js`) as {
      schema: Record<string, { alias?: string[] }>;
    };
    const names = Object.entries(schema).flatMap(([name, { alias = [] }]) => [name, ...alias]);
    const plain = names.filter((name) => /^\w+$/.test(name));
    expect(plain.length).toBeGreaterThan(60);
    expect(plain.filter((name) => !isSetting(name))).toEqual([]);
  });
});

test.each([
  ['instance', 'instances'],
  ['exec_mod', 'exec_mode'],
  ['execmode', 'exec_mode'],
  ['exec-mode', 'exec_mode'],
  ['max_memory_restarts', 'max_memory_restart'],
  ['kill_timout', 'kill_timeout'],
  ['description', null],
  ['healthcheck', null],
])('%s is none; near it is %s', (name, near) => {
  expect(isSetting(name)).toBe(false);
  expect(nearestSetting(name)).toBe(near);
});
