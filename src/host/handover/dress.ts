import type { DeployApp } from '../pm2/app-config.ts';
import type { Json } from '../pm2/list.ts';
import type { Preload } from '../pm2/preload-args.ts';

/**
 * The app with the preload, beside what Node is given already: by its settings, by the variables of PM2's `--env`, or by
 * the NODE_OPTIONS that it has `inherited` from the shell of its first start.
 */
export function withPreload(
  app: DeployApp,
  { by, argument }: Preload,
  pm2Env: string | null,
  inherited: string | undefined,
): DeployApp {
  if (by === 'node_args') {
    const { interpreter_args: _one, interpreterArgs: _other, ...rest } = app;
    const given = app.node_args ?? app.interpreter_args ?? app.interpreterArgs;
    const list = Array.isArray(given)
      ? given
      : typeof given === 'string'
        ? given.split(' ').filter(Boolean)
        : [];
    return { ...rest, name: app.name, cwd: app.cwd, env: app.env, node_args: [argument, ...list] };
  }
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
