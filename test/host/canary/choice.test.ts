import { describe, expect, test } from 'vitest';
import { chooseCanaries, type Known } from '../../../src/host/canary/choice.ts';
import { whyImpossible } from '../../../src/host/canary/config.ts';
import type { DeployApp } from '../../../src/host/pm2/app-config.ts';

const LIVE = '/srv/shop';
const app = (settings: Record<string, unknown> = {}): DeployApp =>
  ({ name: 'web', script: './server.js', cwd: LIVE, env: {}, ...settings }) as DeployApp;
const listens: Known = {
  runs: true,
  ports: { certain: [3000], perhaps: [] },
  oldPort: 3000,
  newPort: 3000,
  healthPort: null,
  freeRange: { first: 32_768, last: 60_999 },
};
const choose = (canary: 'auto' | 'required' | 'off', known: Partial<Known>, settings = {}) =>
  chooseCanaries(canary, [app(settings)], LIVE, () => ({ ...listens, ...known }));

describe('auto', () => {
  test('an app that listens is asked for the same port', () => {
    expect(choose('auto', {}).chosen).toMatchObject([{ ports: [3000] }]);
  });
  test('a PORT that changes with this version is what is asked for', () => {
    expect(choose('auto', { newPort: 4000 }).chosen).toMatchObject([{ ports: [4000] }]);
    const two = { certain: [3000, 9100], perhaps: [] };
    expect(choose('auto', { newPort: 4000, ports: two }).chosen).toMatchObject([{ ports: [4000, 9100] }]);
  });
  test('the first PORT in the settings is what is asked for, in place of the only port that the code named', () => {
    const first = { oldPort: null, newPort: 4000 };
    expect(choose('auto', first).chosen).toMatchObject([{ ports: [4000] }]);
    const two = { certain: [3000, 9100], perhaps: [] };
    expect(choose('auto', { ...first, ports: two }).chosen).toMatchObject([{ ports: [3000, 9100] }]);
  });
  test('a PORT that the old one never listened on asks for nothing', () => {
    const known = { ports: { certain: [8080], perhaps: [] }, oldPort: 3000, newPort: 3000 };
    expect(choose('auto', known).chosen).toMatchObject([{ ports: [8080] }]);
  });
  test('a port that the kernel may have chosen, and no setting names, need not be the same again', () => {
    const ports = { certain: [3000, 40_000], perhaps: [] };
    const known = { ports, oldPort: null, newPort: null };
    expect(choose('auto', known).chosen).toMatchObject([{ ports: [3000, 40_000], byChance: [40_000] }]);
    for (const named of [{ oldPort: 40_000 }, { newPort: 40_000 }, { healthPort: 40_000 }])
      expect(choose('auto', { ...known, ...named }).chosen).toMatchObject([{ byChance: [] }]);
  });
  test.each<[string, Partial<Known>, RegExp]>([
    ['does not run yet', { runs: false, ports: { certain: [], perhaps: [] } }, /does not run yet/],
    [
      'is a worker',
      { ports: { certain: [], perhaps: [] } },
      /listened nowhere before, and two at once may do harm/,
    ],
    [
      'cannot be told from others',
      { ports: { certain: [], perhaps: [80, 81] } },
      /which of the ports 80, 81 is its own/,
    ],
  ])('an app that %s gets none, and one line says so', (_, known, words) => {
    const choice = choose('auto', known);
    expect(choice.chosen).toEqual([]);
    expect(choice.without).toHaveLength(1);
    expect(choice.without[0]).toMatch(words);
  });
  test('health-url tells whose port it is', () => {
    const known = {
      ports: { certain: [], perhaps: [80, 3000] },
      healthPort: 3000,
      oldPort: null,
      newPort: null,
    };
    expect(choose('auto', known).chosen).toMatchObject([{ ports: [3000] }]);
  });
  test('what cannot have one goes without', () => {
    const choice = choose('auto', {}, { script: 'server.py', interpreter: 'python3' });
    expect(choice).toMatchObject({ chosen: [], impossible: [] });
    expect(choice.without[0]).toContain("No canary for 'web': Node does not start it");
  });
});

test('required: workers and apps that do not run yet have one too; what cannot is named', () => {
  const nowhere = { certain: [], perhaps: [] };
  expect(choose('required', { ports: nowhere }).chosen).toMatchObject([{ ports: [] }]);
  expect(choose('required', { runs: false, ports: nowhere }).chosen).toMatchObject([{ ports: [3000] }]);
  expect(choose('required', {}, { script: './run.sh' }).impossible).toHaveLength(1);
});

test('off: none, and nothing is said', () => {
  expect(choose('off', {})).toEqual({ chosen: [], without: [], impossible: [] });
});

test.each([
  [{}, null],
  [{ script: 'npm', args: 'start' }, null],
  [{ script: '/usr/bin/npm' }, null],
  [{ script: 'npm run start' }, null],
  [{ script: 'node_modules/.bin/next', args: 'start' }, null],
  [{ script: './server.ts', interpreter: 'tsx' }, null],
  [{ script: './server.js', interpreter: '/home/u/.nvm/versions/node/v22.1.0/bin/node' }, null],
  [{ script: './server.js', interpreter: 'node@20' }, null],
  [{ script: './server.js', interpreter: 'bun' }, /Node does not start it/],
  [{ script: 'python3 -m http.server' }, /Node does not start it/],
  [{ script: './bin/server.sh' }, /Node does not start it/],
  [{ uid: 'www-data' }, /another user/],
  [{ cwd: '/srv/other' }, /runs outside of/],
])('%j', (settings, why) => {
  const found = whyImpossible(app(settings), LIVE);
  if (why === null) expect(found).toBeNull();
  else expect(found).toMatch(why);
});
