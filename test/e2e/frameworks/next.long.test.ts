import { expect, test } from 'vitest';
import { createSite } from '../../rig/site.ts';
import { livesThrough, tell } from './life.ts';
import { nextApp, type Visitors, visit } from './next.ts';

/** What the advice for Next.js behind npm says. */
const BY_ITS_BINARY = {
  script: 'node_modules/next/dist/bin/next',
  args: 'start',
  exec_mode: 'cluster',
  instances: 2,
};

test('Next.js by its binary in cluster mode serves nearly every request while a version goes live', {
  timeout: 600_000,
}, async () => {
  await using site = await createSite();
  let visitors: Visitors | undefined;
  const load = await livesThrough(site, {
    files: (name, flaw) => nextApp(site, BY_ITS_BINARY, name, flaw),
    during: () => {
      visitors = visit(site);
      return visitors;
    },
  });
  tell('Next.js by its binary, cluster mode', load);
  console.log(`Visits of the page with all its assets: ${JSON.stringify(visitors?.counted)}`);
  expect(load.failed).toBeLessThan(load.sent / 50);
  expect(visitors?.counted.whole).toBeGreaterThan(50);
  // Assets of the other version are what breaks: nothing keeps them. The page itself always comes.
  expect(Object.keys(visitors?.counted.broken ?? {}).filter((why) => !why.startsWith('asset: '))).toEqual([]);
});
