import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readyTimeLimit } from '../../../src/host/pm2/cli.ts';
import { hearPace } from '../../../src/host/pm2/pace.ts';
import { ALL_RUNTIMES, startPm2 } from '../../rig/pm2.ts';

test.each(ALL_RUNTIMES)('how long PM2 waits for new instances, and whom it kills: $name', async (runtime) => {
  await using pm2 = await startPm2(runtime);
  const app = (name: string, source: string): object => {
    // PM2 takes a script with a blank in it for a command line.
    const script = `${name.replace(' ', '-')}.js`;
    writeFileSync(join(pm2.home, script), `${source}; setInterval(() => {}, 1e6);`);
    const limits = { wait_ready: true, listen_timeout: 1_000, kill_timeout: 300 };
    return { name, script, exec_mode: 'cluster', instances: 1, ...limits };
  };
  const silent = app('says nothing', "process.send('ready')");
  const stubborn = app('stays', "process.send('ready'); process.on('SIGINT', () => {})");
  writeFileSync(join(pm2.home, 'apps.json'), JSON.stringify({ apps: [silent, stubborn] }));
  await pm2.run(['start', 'apps.json']);
  const listed = JSON.parse((await pm2.run(['-s', 'jlist'])).stdout) as { name: string; pid: number }[];

  app('says nothing', '');
  const pace = hearPace(pm2.home);
  await pm2.run(['startOrReload', 'apps.json']);
  await expect.poll(() => pace.waits('says nothing').length + pace.waits('stays').length).toBe(2);
  const limit = readyTimeLimit(silent as { wait_ready: true }, runtime.pm2Version);
  expect(pace.waits('says nothing')[0]).toBeGreaterThanOrEqual(0.95 * limit);
  await expect.poll(() => pace.killed()).toEqual([listed.find(({ name }) => name === 'stays')?.pid]);
  pace.close();
});
