import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { runAction, startAction } from '../rig/action.ts';
import { fixtureApp } from '../rig/fixture-app.ts';
import { freePort } from '../rig/free-port.ts';
import { createHost } from '../rig/host.ts';
import { createRepository } from '../rig/repository.ts';

test('a PM2 daemon that falls silent in verifying: the old files are back at once, and the next deploy goes well', async () => {
  await using host = await createHost();
  const repository = createRepository();
  const port = await freePort();
  const live = path.join(host.directory, 'shop');
  const inputs = (version: string): Record<string, string> => ({
    ...host.access,
    path: 'shop',
    repository: repository.url,
    ref: repository.commit(fixtureApp({ version, port })),
    'install-command': 'none',
    'build-command': 'node build.js',
    'stable-for': '5s',
    canary: 'off',
    'health-timeout': '10s',
  });
  const first = await runAction({ inputs: { ...inputs('1'), 'stable-for': '500ms' } });
  expect(first, first.stdout).toMatchObject({ outputs: { outcome: 'deployed' } });
  const sum = host.checksum(live, { except: ['.git'] });

  const action = startAction({ inputs: inputs('2') });
  await expect.poll(action.log, { timeout: 30_000, interval: 5 }).toMatch(/\] verifying/);
  const daemon = Number(readFileSync(path.join(host.pm2Home, 'pm2.pid'), 'utf8'));
  process.kill(daemon, 'SIGSTOP');
  await expect.poll(action.log, { timeout: 40_000 }).toContain('The files of the old version are back');
  expect(host.checksum(live, { except: ['.git'] })).toBe(sum);
  const run = await action.done;
  process.kill(daemon, 'SIGCONT');
  expect(run, run.stdout).toMatchObject({ code: 1, outputs: { outcome: 'rollback-failed' } });
  expect(run.stdout).toContain('has not answered');

  const next = await runAction({ inputs: { ...inputs('3'), 'stable-for': '500ms' } });
  expect(next, next.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed' } });
  expect(await (await fetch(`http://127.0.0.1:${port}/version`)).text()).toBe('3');
  repository.remove();
}, 120_000);
