import { afterAll, beforeAll, expect, test } from 'vitest';
import { exampleWorkflow } from '../../rig/example.ts';
import { createHost, type Host } from '../../rig/host.ts';
import { createSite } from '../../rig/site.ts';
import { stepOf } from './example.ts';
import { AS_USERS_DO, type Flaw, livesThrough, tell } from './life.ts';
import { BUILD_ONCE, nextApp, type Visits, visit } from './next.ts';

/** One for all ways to start it, so that each version is built once. */
let host: Host;
beforeAll(async () => {
  host = await createHost();
});
afterAll(() => host?.stop());

const NPM_START = "script: 'npm',\n      args: 'start',";
const STANDALONE = {
  [NPM_START]: "script: '.next/standalone/server.js', exec_mode: 'cluster', instances: 2,",
  "name: 'site'": "name: 'alone'",
};
/** The standalone server does not read the configuration, which throws in the other ways. */
const BROKEN_ALONE = {
  ...STANDALONE,
  [NPM_START]: `${STANDALONE[NPM_START]} node_args: '--require ./not-there.js',`,
};
/** What the advice for Next.js behind npm says. */
const BY_ITS_BINARY = {
  [NPM_START]:
    "script: 'node_modules/next/dist/bin/next', args: 'start', exec_mode: 'cluster', instances: 2,",
  "name: 'site'": "name: 'shop'",
};
/** Only the route is what a broken version answers badly. */
const WORKFLOW = {
  'health-url: /\n': 'health-url: /version\n',
  '            git rev-parse --short HEAD > deployment-id.txt\n            npm run build\n': BUILD_ONCE.trim()
    .replace(/^/gm, '            ')
    .concat('\n'),
};

test.each([
  // It goes first, and so builds: its server has the id of the deployment from the build.
  [
    'its standalone server in cluster mode',
    'alone',
    (flaw?: Flaw) => (flaw === 'boot' ? BROKEN_ALONE : STANDALONE),
  ],
  ['its binary in cluster mode', 'shop', () => BY_ITS_BINARY],
  ['npm start in fork mode, the example', 'site', () => ({})],
])(
  'Next.js by %s serves while a version goes live, and old pages find their assets after it',
  {
    timeout: 600_000,
  },
  async (way, name, settingsOf) => {
    await using site = await createSite(host, { app: { name } });
    let visits: Visits | undefined;
    let oldPage: number[] = [];
    let deployment: string | null = null;
    let second = '';
    const logs: string[] = [];
    await using workflow = await exampleWorkflow('nextjs', host, site.repository, WORKFLOW);
    const load = await livesThrough(site, {
      files: (version, flaw) => nextApp(site, settingsOf(flaw), version, flaw),
      ...(name === 'site'
        ? { deploy: async ({ ref = '', mode }) => stepOf(await workflow.run(ref, mode)) }
        : {
            async deploy(inputs) {
              const run = await site.deploy({ ...AS_USERS_DO, 'build-command': BUILD_ONCE, ...inputs });
              logs.push(run.stdout);
              return run;
            },
          }),
      during() {
        const visitors = visit(site);
        return {
          async stop() {
            visits = await visitors.stop();
            oldPage = await visitors.assetsOf('1');
            deployment = await visitors.deployment();
            second = site.repository.git('rev-parse', 'main');
          },
        };
      },
    });
    tell(`Next.js by ${way}`, load);
    console.log(`Visits of the page with all its assets: ${JSON.stringify(visits)}`);
    // The second version is built with it, and is what visitors got all the same.
    if (name !== 'site')
      expect(logs[1]).toMatch(/copy of the last build's cache: \.next\/cache, [1-9]\d* MiB/);
    expect(load.failed).toBeLessThan(load.sent / 500);
    expect(visits?.whole).toBeGreaterThan(50);
    expect(Object.keys(visits?.pages ?? {})).toEqual(['1', '2']);
    // A chunk of a new page may be asked of an instance that is still old: it is not among the files that it knows.
    const { 'asset of version 2: 404': _, ...others } = visits?.broken ?? {};
    // Between two renames a file is away for an instant.
    expect(
      Object.values(others).reduce((sum, count) => sum + count, 0),
      JSON.stringify(others),
    ).toBeLessThan(2);
    expect(visits?.notOnDisk).toBeLessThan(2);
    expect(oldPage.length).toBeGreaterThan(3);
    expect(new Set(oldPage)).toEqual(new Set([200]));
    expect(deployment).toMatch(/^[0-9a-f]{7,}$/);
    expect(second).toContain(deployment);
  },
);
