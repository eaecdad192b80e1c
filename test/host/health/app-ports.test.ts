import { createServer } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { portsOfApp } from '../../../src/host/health/app-ports.ts';
import { type Instance, parseList } from '../../../src/host/pm2/list.ts';

function instance(
  name: string,
  mode: 'cluster' | 'fork',
  env: Record<string, string> = {},
  pid = 0,
): Instance {
  const [one] = parseList([
    { name, pid, pm_id: 0, pm2_env: { exec_mode: `${mode}_mode`, status: 'online', env } },
  ]);
  if (one === undefined) throw new Error('no instance');
  return one;
}

test('the only cluster app has every port of the daemon, its PORT or not', () => {
  const all = [instance('web', 'cluster', { PORT: '3000' }), instance('worker', 'fork')];
  expect(portsOfApp('web', all, [3000, 9100])).toEqual({ certain: [3000, 9100], perhaps: [] });
  expect(portsOfApp('worker', all, [3000, 9100])).toEqual({ certain: [], perhaps: [] });
});

test("of two cluster apps each has its PORT; what else the daemon holds may be either one's", () => {
  const all = [
    instance('web', 'cluster', { PORT: '3000' }),
    instance('api', 'cluster'),
    instance('jobs', 'cluster'),
  ];
  expect(portsOfApp('web', all, [3000, 4000])).toEqual({ certain: [3000], perhaps: [] });
  expect(portsOfApp('api', all, [3000, 4000])).toEqual({ certain: [], perhaps: [4000] });
  expect(portsOfApp('jobs', all, [3000])).toEqual({ certain: [], perhaps: [] });
});

test('a PORT on which nothing is accepted is none', () => {
  expect(portsOfApp('web', [instance('web', 'cluster', { PORT: '3000' })], [])).toEqual({
    certain: [],
    perhaps: [],
  });
});

test('in fork mode the processes tell', async () => {
  const server = createServer().listen(0);
  onTestFinished(() => void server.close());
  await new Promise((resolve) => server.once('listening', resolve));
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const all = [instance('api', 'fork', {}, process.pid), instance('web', 'cluster')];
  expect(portsOfApp('api', all, [port, 5])).toEqual({ certain: [port], perhaps: [] });
  expect(portsOfApp('web', all, [port, 5])).toEqual({ certain: [5], perhaps: [] });
});

test('an app that does not run has none', () => {
  expect(portsOfApp('web', [], [3000])).toEqual({ certain: [], perhaps: [] });
});
