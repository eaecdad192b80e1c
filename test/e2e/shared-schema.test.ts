import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createSite, type Site } from '../rig/site.ts';

/** The live app and every new version read one schema, as they would share a database: a file outside of `path`. */
let site: Site;
let schema: string;
beforeAll(async () => {
  site = await createSite();
  schema = path.join(site.host.directory, 'schema');
  writeFileSync(schema, '1');
  const first = await site.deploy({ ref: commit('1'), 'health-url': '/health' });
  expect(first, first.stdout).toMatchObject({ outputs: { outcome: 'deployed' } });
});
afterAll(() => site?.stop());

/** A version that is well as long as the schema is of version 1, and breaks that in its canary if it `migrates` at boot. */
function commit(version: string, migrates = false): string {
  const files = site.files(migrates ? { version, flaw: 'throws at boot' } : { version });
  const server = (files['src/server.js'] ?? '').replace(
    'const isBad = () => false;',
    "const isBad = () => require('fs').readFileSync(process.env.HOME + '/schema', 'utf8').trim() !== '1';",
  );
  const migration = "require('fs').writeFileSync(process.env.HOME + '/schema', '2');\n";
  files['src/server.js'] = migrates ? migration + server : server;
  return site.repository.commit(files);
}

test.each([
  ['a canary', () => commit('2', true), 'none', 'canary'],
  ['migrate-command', () => commit('3'), 'echo 2 > ~/schema; exit 1', 'prepared'],
])(
  '%s that breaks what the live app reads fails the deploy, which says that the live app is not well',
  async (_, of, migrate, state) => {
    writeFileSync(schema, '1');
    const pids = await site.host.pids('shop');
    const ref = of();
    const run = await site.deploy({ ref, 'health-url': '/health', 'migrate-command': migrate });
    expect(run, run.stdout).toMatchObject({ code: 1, outputs: { outcome: 'failed' } });
    expect(run.stdout).toContain(`Failed in ${state}: `);
    expect(run.stdout).toMatch(
      /No file or process of the live app was touched, but it is not well now: .*\/health answers 500/,
    );
    expect(run.stdout).not.toContain('The live app was not touched');
    expect(run.summary).toMatch(/not well/);
    expect(await site.host.pids('shop')).toEqual(pids);
  },
);
