import { expect, test } from 'vitest';
import { dress } from '../../../src/host/handover/dress.ts';
import type { DeployApp } from '../../../src/host/pm2/app-config.ts';
import { type Instance, parseList } from '../../../src/host/pm2/list.ts';
import { type Preload, preloadArgument } from '../../../src/host/pm2/preload-args.ts';

const argument = preloadArgument("/home/it's 100% #1/.pm2/pm2-ssh-deploy/handover-1-ab.cjs", {
  share: true,
  drain: false,
});
const app: DeployApp = { name: 'web', script: 'a.js', cwd: '/srv', env: { A: '1' } };

const withPreload = (
  given: DeployApp,
  preload: Preload,
  pm2Env: string | null,
  inherited?: string,
): DeployApp =>
  dress(
    given,
    preload,
    inherited === undefined ? [] : [{ env: { NODE_OPTIONS: inherited } } as unknown as Instance],
    pm2Env,
  ).app;

/** What PM2 would list of an app that it was given. */
const listed = (given: DeployApp) =>
  parseList([{ name: 'web', pm2_env: { node_args: given.node_args, ...given.env, env: given.env } }])[0];

test('it has no blank and no quote that NODE_OPTIONS would need', () => {
  expect(argument).not.toMatch(/[\s"\\]/);
});

test.each([
  ['no arguments', app, []],
  ['a list', { ...app, node_args: ['--a', '--b'] }, ['--a', '--b']],
  ['a text', { ...app, node_args: '--a  --b' }, ['--a', '--b']],
  ['another name', { ...app, interpreter_args: '--a' }, ['--a']],
])('in node_args, beside %s, it is known and left out of what runs', (_, given, own) => {
  const dressed = withPreload(given, { by: 'node_args', argument }, null, undefined);
  expect(dressed.node_args).toEqual([argument, ...own]);
  expect(dressed).not.toHaveProperty('interpreter_args');
  expect(listed(dressed)).toMatchObject({
    nodeArgs: own,
    preload: { by: 'node_args', argument },
    env: { A: '1' },
  });
});

test.each([
  ['nothing', app, undefined, undefined],
  ["the app's own", { ...app, env: { NODE_OPTIONS: '--a "b c"' } }, undefined, '--a "b c"'],
  ['what it inherited', app, '--a', '--a'],
])('in NODE_OPTIONS, beside %s', (_, given, inherited, own) => {
  const dressed = withPreload(given, { by: 'NODE_OPTIONS', argument }, null, inherited);
  const instance = listed(dressed);
  expect(instance?.preload).toEqual({ by: 'NODE_OPTIONS', argument });
  expect(instance?.env.NODE_OPTIONS).toBe(own);
});

test('the variables of --env come first for PM2, so it is among them', () => {
  const dressed = withPreload(
    { ...app, env_prod: { NODE_OPTIONS: '--p' } },
    { by: 'NODE_OPTIONS', argument },
    'prod',
    undefined,
  );
  expect(dressed.env_prod).toEqual({ NODE_OPTIONS: `${argument} --p` });
});

test.each([
  [undefined, app, { env: app.env, gone: ['NODE_OPTIONS'] }],
  ['--a', app, { env: { ...app.env, NODE_OPTIONS: '--a' }, gone: [] }],
])('without a preload it is taken out again; beside it stood %s', (beside, given, expected) => {
  const had = listed(withPreload(given, { by: 'NODE_OPTIONS', argument }, null, beside));
  const { app: now, gone } = dress(given, undefined, had === undefined ? [] : [had], null);
  expect({ env: now.env, gone }).toEqual(expected);
});
