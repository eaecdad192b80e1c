import { expect, test } from 'vitest';
import { exampleWorkflow } from '../../rig/example.ts';
import { NEWEST } from '../../rig/pm2.ts';
import { createSite, type Site } from '../../rig/site.ts';
import { EXPRESS_HEALTH, exampleVersion, kindOf, portOf } from './example.ts';
import { livesThrough, tell } from './life.ts';

const named = (name: string): Promise<Site> => createSite(NEWEST, { app: { name } });

test('the Express example, by its workflow', { timeout: 600_000 }, async () => {
  await using site = await named('api');
  await using workflow = await exampleWorkflow('express', site.host, site.repository);
  const example = { name: 'express', main: 'server.js', health: EXPRESS_HEALTH, changes: portOf(site) };
  const load = await livesThrough(site, { ...kindOf(example, workflow), flaws: ['boot'] });
  tell('Express, cluster mode', load);
  expect(load.failures).toEqual({});
});

test('the NestJS example, by its workflow, loses no request with no shutdown code but its hooks', {
  timeout: 600_000,
}, async () => {
  await using site = await named('api');
  await using workflow = await exampleWorkflow('nestjs', site.host, site.repository);
  const health = ["return 'ok'", "throw new Error('no')"] as const;
  const example = { name: 'nestjs', main: 'src/main.ts', health, changes: portOf(site) };
  const load = await livesThrough(site, kindOf(example, workflow));
  tell('NestJS, cluster mode', load);
  expect(load.failures).toEqual({});
});

const SECOND_MIGRATION = /20260201000000_author/;

test('the Prisma example, by its workflow: the second version migrates, and every note stays', {
  timeout: 600_000,
}, async () => {
  await using site = await named('notes');
  await using workflow = await exampleWorkflow('prisma', site.host, site.repository);
  const example = { name: 'prisma', main: 'server.js', health: EXPRESS_HEALTH, changes: portOf(site) };
  const url = `http://127.0.0.1:${site.port}/notes`;
  const notes = async (): Promise<unknown> => (await fetch(url)).json();
  const add = async (text: string): Promise<void> => {
    const headers = { 'content-type': 'application/json' };
    const { status } = await fetch(url, { method: 'POST', headers, body: JSON.stringify({ text }) });
    expect(status).toBe(201);
  };
  const load = await livesThrough(site, {
    ...kindOf(example, workflow),
    flaws: ['boot'],
    files(version, flaw) {
      const files = exampleVersion(example, version, flaw);
      if (version !== '1') return files;
      const schema = 'prisma/schema.prisma';
      const before = Object.entries(files).filter(([file]) => !SECOND_MIGRATION.test(file));
      return { ...Object.fromEntries(before), [schema]: (files[schema] ?? '').replace(/ +author .*\n/, '') };
    },
    during() {
      const added = add('of version 1');
      return {
        async stop() {
          await added;
          await add('of version 2');
          expect(await notes()).toEqual([
            { id: 1, text: 'of version 1', author: null },
            { id: 2, text: 'of version 2', author: null },
          ]);
        },
      };
    },
  });
  tell('Express with Prisma and SQLite', load);
  expect(load.failures).toEqual({});
  // The first version again, on the new schema.
  expect(await notes()).toEqual([
    { id: 1, text: 'of version 1' },
    { id: 2, text: 'of version 2' },
  ]);
});
