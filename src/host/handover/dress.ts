import type { DeployApp } from '../pm2/app-config.ts';
import type { Instance, Json } from '../pm2/list.ts';
import { nodeArgumentsOf, withNodeArguments } from '../pm2/node-arguments.ts';
import type { Preload } from '../pm2/preload-args.ts';

/** An app as PM2 is to start it, and the variables of what runs that it is not to have any more. */
export interface Dressed {
  app: DeployApp;
  gone: string[];
}

/** The app with the preload, or with none; `running` are its instances, which may have one already. */
export function dress(
  app: DeployApp,
  preload: Preload | undefined,
  running: readonly Instance[],
  pm2Env: string | null,
): Dressed {
  const inherited = running.find(({ env }) => env.NODE_OPTIONS !== undefined)?.env.NODE_OPTIONS;
  const result = preload === undefined ? app : withPreload(app, preload, pm2Env, inherited);
  const had = running.some((one) => one.preload?.by === 'NODE_OPTIONS');
  const given = { ...result.env, ...(result[`env_${pm2Env}`] as Record<string, Json> | undefined) };
  if (!had || given.NODE_OPTIONS !== undefined) return { app: result, gone: [] };
  return inherited === undefined
    ? { app: result, gone: ['NODE_OPTIONS'] }
    : { app: { ...result, env: { ...result.env, NODE_OPTIONS: inherited } }, gone: [] };
}

export function dressAll(
  config: readonly DeployApp[],
  preloads: Readonly<Record<string, Preload>>,
  all: readonly Instance[],
  pm2Env: string | null,
): DeployApp[] {
  return config.map((app) => {
    const running = all.filter(({ name }) => name === app.name);
    return dress(app, preloads[app.name], running, pm2Env).app;
  });
}

/**
 * The app with the preload, beside what Node is given already: by its settings, by the variables of PM2's `--env`, or by
 * the NODE_OPTIONS that it has `inherited` from the shell of its first start.
 */
function withPreload(
  app: DeployApp,
  { by, argument }: Preload,
  pm2Env: string | null,
  inherited: string | undefined,
): DeployApp {
  if (by === 'node_args') return withNodeArguments(app, [argument, ...nodeArgumentsOf(app)]);
  const special = `env_${pm2Env}`;
  const chosen = app[special] as Record<string, Json> | undefined;
  const options = chosen?.NODE_OPTIONS ?? app.env.NODE_OPTIONS ?? inherited ?? '';
  const NODE_OPTIONS = `${argument} ${options}`.trim();
  return {
    ...app,
    env: { ...app.env, NODE_OPTIONS },
    ...(chosen?.NODE_OPTIONS === undefined ? {} : { [special]: { ...chosen, NODE_OPTIONS } }),
  };
}
