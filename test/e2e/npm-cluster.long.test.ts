import { expect, test } from 'vitest';
import { startByHand } from '../rig/by-hand.ts';
import { startLoad } from '../rig/load.ts';
import { ALL_RUNTIMES, type Runtime } from '../rig/pm2.ts';
import { createSite, type Site } from '../rig/site.ts';

const PACKAGE = {
  name: 'shop',
  version: '1.0.0',
  scripts: { build: 'node build.js', start: 'node dist/server.js' },
};

/** A version with these settings in its ecosystem file. */
function version(site: Site, name: string, settings: Record<string, string | number | boolean>): string {
  const app = { name: 'shop', wait_ready: false, ...settings, env: { PORT: String(site.port) } };
  return site.repository.commit({
    ...site.files({ version: name }),
    'package.json': JSON.stringify(PACKAGE),
    'ecosystem.config.js': `module.exports = ${JSON.stringify({ apps: [app] })};`,
  });
}

const NPM = { script: 'npm', args: 'start' };
const INSTEAD = {
  "script: 'dist/server.js', exec_mode: 'cluster', instances: 2": {
    script: 'dist/server.js',
    exec_mode: 'cluster',
    instances: 2,
  },
  "exec_mode: 'fork', instances: 1": { ...NPM, exec_mode: 'fork', instances: 1 },
};

test.each(
  ALL_RUNTIMES.flatMap((runtime) =>
    Object.entries(INSTEAD).map((lines): [string, Runtime, typeof lines] => [
      `${runtime.name}: ${lines[0]}`,
      runtime,
      lines,
    ]),
  ),
)(
  'npm in cluster mode is refused before the build, and what is advised instead goes live under load: %s',
  async (title, runtime, [line, settings]) => {
    await using site = await createSite(runtime);
    await startByHand(site, version(site, '1', { ...NPM, instances: 1 }), ['start', 'ecosystem.config.js']);
    await expect.poll(() => site.served().catch(() => null)).toBe('1');

    const refused = await site.deploy({ ref: version(site, 'x', { ...NPM, instances: 1 }) });
    expect(refused, refused.stdout).toMatchObject({ code: 1, outputs: { outcome: 'failed' } });
    expect(refused.stdout).toContain("'shop' cannot run in cluster mode, because its script is npm.");
    expect(refused.stdout).toContain(`"${line}"`);
    expect(refused.stdout).not.toContain('node build.js:');

    const load = startLoad({ url: `http://127.0.0.1:${site.port}/version`, fresh: 5 });
    await load.sees('1', 10_000);
    const run = await site.deploy({ ref: version(site, '2', settings) });
    await load.sees('2', 20_000);
    const { failed, sent, failingForMs, failures } = await load.stop();
    console.log(
      `${title}: ${failed} of ${sent} failed, ${Math.round(failingForMs)} ms, ${JSON.stringify(failures)}`,
    );
    expect(run, run.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed' } });
    expect(failingForMs).toBeLessThan(5_000);

    const bad = site.repository.commit({
      ...site.files({
        version: 'bad',
        flaw: 'crashes after 3 s',
        settings: { ...settings, wait_ready: false },
      }),
      'package.json': JSON.stringify(PACKAGE),
    });
    const broken = await site.deploy({ ref: bad, 'stable-for': '4s' });
    expect(broken, broken.stdout).toMatchObject({ code: 1, outputs: { outcome: 'failed' } });
    const next = await site.deploy({ ref: version(site, '3', settings) });
    expect(next, next.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed' } });
    expect(await site.served()).toBe('3');
  },
);

test('a version that fails in place of npm in cluster mode goes back to it', async () => {
  await using site = await createSite();
  await startByHand(site, version(site, '1', { ...NPM, instances: 1 }), ['start', 'ecosystem.config.js']);
  await expect.poll(() => site.served().catch(() => null)).toBe('1');
  const settings = { script: 'dist/server.js', exec_mode: 'cluster', instances: 2, wait_ready: false };
  const run = await site.deploy({
    ref: site.commit({ version: '2', flaw: 'throws at boot', settings }),
    canary: 'off',
  });
  expect(run, run.stdout).toMatchObject({ code: 1, outputs: { outcome: 'rolled-back' } });
  expect(await site.served()).toBe('1');
});
