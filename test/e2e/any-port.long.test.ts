import { expect, test } from 'vitest';
import { freePort } from '../rig/free-port.ts';
import { createSite } from '../rig/site.ts';

test.each([
  ['fork', 'auto'],
  ['fork', 'off'],
  ['cluster', 'auto'],
])(
  'an app on port 0 in %s mode passes its canary (%s), and goes back after a failure',
  async (mode, canary) => {
    await using site = await createSite();
    const settings = { exec_mode: mode, instances: 1, wait_ready: false, env: { PORT: '0' } };
    const deploy = (version: string, flaw?: 'crashes after 2 s') =>
      site.deploy({
        canary,
        ref: site.commit({ version, settings, ...(flaw && { flaw }) }),
        'stable-for': flaw ? '4s' : '1s',
      });
    const first = await deploy('1');
    expect(first, first.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed' } });
    const second = await deploy('2');
    expect(second, second.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed' } });
    if (canary === 'auto') expect(second.stdout).toContain('canary ');
    const bad = await deploy('3', 'crashes after 2 s');
    expect(bad, bad.stdout).toMatchObject({
      code: 1,
      outputs: { outcome: canary === 'auto' ? 'failed' : 'rolled-back', sha: second.outputs.sha },
    });
  },
);

test('an app that takes its port from an env file moves to another port once its settings name that', async () => {
  await using site = await createSite();
  const other = await freePort();
  const deploy = (version: string, port: number, { env = {}, boots = '', within = '20s' } = {}) => {
    const app = { name: 'shop', script: 'server.js', exec_mode: 'cluster', instances: 2, env };
    const ref = site.repository.commit({
      '.gitignore': '.env\n',
      'server.js': `process.loadEnvFile('.env');
const server = require('http').createServer((_, response) => response.end('${version}'));
${boots}
server.listen(Number(process.env.PORT));`,
      'ecosystem.config.js': `module.exports = ${JSON.stringify({ apps: [app] })};`,
    });
    const inputs = { 'build-command': 'none', 'health-timeout': within, 'env-file': `PORT=${port}` };
    return site.deploy({ ref, ...inputs });
  };
  const failed = { code: 1, outputs: { outcome: 'failed' } };
  const first = await deploy('1', site.port);
  expect(first, first.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed' } });
  const moved = await deploy('2', other, { within: '5s' });
  expect(moved, moved.stdout).toMatchObject(failed);
  expect(moved.stdout).toContain(
    `does not listen on port ${site.port} but on ${other}. If its port has changed, set "PORT: ${other}" in the env`,
  );
  expect(await site.served()).toBe('1');
  const taken = await deploy('3', other, { env: { PORT: other } });
  expect(taken, taken.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed' } });
  const page = async (): Promise<string> => (await fetch(`http://127.0.0.1:${other}/`)).text();
  expect(await page()).toBe('3');

  // PM2 keeps a process in which nothing caught an error. It listens, but not where visitors come.
  const boots =
    "server.listen = () => Promise.reject(new Error('no database')); require('net').createServer().listen(0);";
  const dead = await deploy('4', other, { env: { PORT: other }, boots });
  expect(dead, dead.stdout).toMatchObject(failed);
  expect(dead.stdout).toContain(
    'threw an error that nothing caught (no database), and it does not listen on port',
  );
  expect(dead.stdout).not.toContain('health-timeout');
  expect(await page()).toBe('3');
});
