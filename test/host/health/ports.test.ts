import { expect, test } from 'vitest';
import { expectedPorts } from '../../../src/host/health/ports.ts';
import type { DeployApp } from '../../../src/host/pm2/app-config.ts';
import type { Before } from '../../../src/host/state/transaction.ts';

const app = (name: string, port: number | null): DeployApp => ({
  name,
  cwd: '/srv',
  env: port === null ? {} : { PORT: port },
});
const before = (ports: number[], ...apps: DeployApp[]): Before => ({
  apps,
  counts: {},
  ports,
  orphans: [],
  preloads: {},
  healthUrl: null,
});

test.each<[string, DeployApp[], Before, number[]]>([
  ['the PORT of a new app', [app('web', 4000)], before([]), [4000]],
  ['a PORT that has changed', [app('web', 4000)], before([3000, 9100], app('web', 3000)), [4000, 9100]],
  ['no PORT on which it never listened', [app('web', 3000)], before([8080], app('web', 3000)), [8080]],
  [
    'the first PORT, in place of the port in the code',
    [app('web', 4000)],
    before([3000], app('web', null)),
    [4000],
  ],
  [
    'both, if another app may have the port',
    [app('web', 4000), app('api', null)],
    before([3000], app('web', null), app('api', null)),
    [3000, 4000],
  ],
  [
    'all, if several ports have no name',
    [app('web', 4000)],
    before([3000, 9100], app('web', null)),
    [3000, 4000, 9100],
  ],
])('expects %s', (_, config, was, ports) => {
  expect(expectedPorts(config, null, was)).toEqual(ports);
});
