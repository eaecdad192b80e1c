import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { wordsInDaemonLog } from '../../../src/host/pm2/daemon-log.ts';
import { MIDDLE, NEWEST, startPm2 } from '../../rig/pm2.ts';

// Node 16, which PM2 5 runs with here, has no --import.
test.each([MIDDLE, NEWEST])(
  'a cluster worker that ends before PM2 has hold of it leaves its last words in the log of the daemon: $name',
  async (runtime) => {
    await using pm2 = await startPm2(runtime);
    writeFileSync(join(pm2.home, 'a.js'), 'setInterval(() => {}, 1000);');
    const start = (name: string, ...more: string[]) =>
      pm2.run(['start', 'a.js', '--name', name, '-i', '1', '--no-autorestart', ...more]);
    await start('good');
    await start('bad', '--node-args', '--import no-such-package');
    await start('other', '--node-args', '--import no-such-other');
    const words = (): string[] =>
      wordsInDaemonLog(readFileSync(join(pm2.home, 'pm2.log'), 'utf8').split('\n'), ['good', 'bad']).get(
        'bad',
      ) ?? [];
    await expect.poll(() => words().join('\n')).toContain("Cannot find package 'no-such-package'");
    expect(words().join('\n')).not.toMatch(/no-such-other|PM2 log/);
  },
);

test('lines are given to the process whose end follows them, and not to one that was replaced', () => {
  const at = '2026-01-01T00:00:00: PM2 log:';
  const lines = [
    `${at} App [web:0] starting in -cluster mode-`,
    'Error: of web',
    `${at} App name:web id:0 disconnected`,
    `${at} App [web:0] exited with code [1] via signal [SIGINT]`,
    'Error: of the old one',
    `${at} App [web:_old_0] exited with code [0] via signal [SIGINT]`,
    'Error: of another app',
    `${at} App [api:1] exited with code [1] via signal [SIGINT]`,
    'Error: of whom, is not known',
  ];
  expect([...wordsInDaemonLog(lines, ['web'])]).toEqual([['web', ['Error: of web']]]);
});
