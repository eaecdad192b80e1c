import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { createHost } from './host.ts';
import { processesOf } from './leftovers.ts';
import { RUNTIMES } from './pm2.ts';

test.each(RUNTIMES)(
  'a session finds its Node and PM2, and nothing outlives the host: $name',
  async (runtime) => {
    const host = await createHost({ runtime });
    const { access, directory } = host;
    const identity = path.join(directory, 'id');
    const known = path.join(directory, 'known');
    writeFileSync(identity, access.key, { mode: 0o600 });
    writeFileSync(known, `${access['known-hosts']}\n`);
    const ssh = (command: string): string =>
      execFileSync(
        'ssh',
        ['-F', 'none', '-i', identity, '-o', `UserKnownHostsFile=${known}`, '-p', access.port].concat(
          `${access.username}@${access.host}`,
          command,
        ),
        { encoding: 'utf8', timeout: 30_000 },
      );
    const version = execFileSync(runtime.node, ['--version'], { encoding: 'utf8' });
    expect(ssh('node --version')).toBe(version);

    expect(await host.instances()).toEqual([]);
    writeFileSync(path.join(directory, 'app.js'), 'setInterval(() => {}, 1000)');
    ssh('pm2 start app.js -i 2 --name a');
    expect(await host.instances('a')).toMatchObject([
      { pmId: 0, status: 'online', cwd: directory },
      { pmId: 1, status: 'online', cwd: directory },
    ]);
    expect(await host.pids('b')).toEqual([]);

    const detached = spawn('sleep', ['60'], { env: host.env, detached: true, stdio: 'ignore' });
    await new Promise((resolve) => detached.once('spawn', resolve));
    expect(processesOf(directory)).toContain(detached.pid);
    await host.stop();
    expect(processesOf(directory)).toEqual([]);
    expect(existsSync(directory)).toBe(false);
  },
);

test('a checksum sees contents, modes, links and names', async () => {
  await using host = await createHost();
  const live = path.join(host.directory, 'live');
  mkdirSync(path.join(live, 'logs'), { recursive: true });
  const sums: string[] = [];
  const sum = (): unknown => sums.push(host.checksum(live, { except: ['logs/out.log'] }));
  sum();
  writeFileSync(path.join(live, 'a'), 'x');
  sum();
  writeFileSync(path.join(live, 'a'), 'y');
  sum();
  symlinkSync('a', path.join(live, 'b'));
  sum();
  execFileSync('chmod', ['600', path.join(live, 'a')]);
  sum();
  expect(new Set(sums).size).toBe(5);
  writeFileSync(path.join(live, 'logs/out.log'), 'x');
  sum();
  expect(new Set(sums).size).toBe(5);
});
