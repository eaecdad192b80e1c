import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, test } from 'vitest';
import { createSite, type Site } from '../../rig/site.ts';
import { cluster, ecosystem, expressApp } from './express.ts';
import { AS_USERS_DO, type Flaw, livesThrough, tell } from './life.ts';

const OPEN = `const { DatabaseSync } = require('node:sqlite');
const db = new DatabaseSync(require('path').join(__dirname, 'app.db'));
db.exec('pragma busy_timeout = 5000; pragma journal_mode = wal');
`;

/** Each answer of a version is a row: a lost row is a lost write. */
function files(site: Site, name: string, flaw?: Flaw): Record<string, string> {
  const routes = `${OPEN}
const add = db.prepare('insert into answers (version) values (?)');
app.use((_request, _response, next) => { add.run('${name}'); next(); });
`;
  return {
    ...expressApp(name, flaw, routes),
    '.gitignore': 'node_modules\n*.db*\n',
    'migrate.js': `${OPEN}
db.exec('create table if not exists answers (version text)');
db.exec('create table if not exists migrations (version text)');
db.prepare('insert into migrations values (?)').run('${name}');
`,
    ...ecosystem(cluster('notes', site.port)),
  };
}

test('an SQLite database that the first migration makes keeps every row over deploys, failures and a rollback', {
  timeout: 600_000,
}, async () => {
  await using site = await createSite();
  const inputs = { 'migrate-command': 'node migrate.js' };
  const load = await livesThrough(site, { files: (name, flaw) => files(site, name, flaw), inputs });
  tell('Express with SQLite', load);
  expect(load.failures).toEqual({});

  const third = site.commit({ files: files(site, '3') });
  const run = await site.deploy({ ...AS_USERS_DO, ...inputs, ref: third });
  expect(run, run.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed', sha: third } });
  using db = new DatabaseSync(path.join(site.live, 'app.db'), { readOnly: true });
  expect(
    db
      .prepare('select version from migrations')
      .all()
      .map(({ version }) => version),
  ).toEqual(['1', '2', 'broken-boot', 'broken-500', '3']);
  for (const [version, answers] of Object.entries(load.versions)) {
    const kept = db.prepare('select count(*) as rows from answers where version = ?').get(version);
    expect(kept?.rows, version).toBeGreaterThanOrEqual(answers);
  }
  expect(db.prepare('pragma integrity_check').get()).toEqual({ integrity_check: 'ok' });
});
