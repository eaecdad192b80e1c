import { afterAll, beforeAll, expect, test } from 'vitest';
import { exampleWorkflow } from '../../rig/example.ts';
import { createHost, type Host } from '../../rig/host.ts';
import { createSite } from '../../rig/site.ts';
import { stepOf } from './example.ts';
import { AS_USERS_DO, type Flaw, livesThrough, tell } from './life.ts';
import { BUILD_ONCE, IN_THE_JOB, nextApp, type Visits, visit } from './next.ts';

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
/** Only the route is what a broken version answers badly. */
const HEALTH = { 'health-url: /\n': 'health-url: /version\n' };
const ON_THE_SERVER = {
  ...HEALTH,
  '            git rev-parse --short HEAD > deployment-id.txt\n            npm run build\n': BUILD_ONCE.trim()
    .replace(/^/gm, '            ')
    .concat('\n'),
};
/** A site's directory has the name of its path in the workflow. */
const UPLOADED = { ...HEALTH, ...IN_THE_JOB, '~/site': '~/uploaded' };

test.each([
  // It goes first, and so builds: its server has the id of the deployment from the build.
  {
    way: 'its standalone server in cluster mode',
    name: 'alone',
    settingsOf: (flaw?: Flaw) => (flaw === 'boot' ? BROKEN_ALONE : STANDALONE),
  },
  {
    way: 'its binary, built in the job',
    name: 'uploaded',
    example: 'nextjs-upload',
    settingsOf: () => ({ "name: 'site'": "name: 'uploaded'" }),
    workflow: UPLOADED,
  },
  {
    way: 'npm start, built on the server',
    name: 'site',
    settingsOf: () => ({}),
    workflow: ON_THE_SERVER,
  },
])(
  'Next.js by $way serves while a version goes live, and old pages find their assets after it',
  {
    timeout: 600_000,
  },
  async ({ way, name, example = 'nextjs', settingsOf, workflow: changes }) => {
    await using site = await createSite(host, { app: { name } });
    let visits: Visits | undefined;
    let oldPage: number[] = [];
    let deployment: string | null = null;
    let second = '';
    const logs: string[] = [];
    await using workflow = await exampleWorkflow(example, host, site.repository, changes);
    const load = await livesThrough(site, {
      files: (version, flaw) => nextApp(site, example, settingsOf(flaw), version, flaw),
      ...(example === 'nextjs-upload' && { uploads: true }),
      ...(changes
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
    if (changes === undefined)
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
