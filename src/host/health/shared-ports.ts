import { type DeployApp, expectedInstances, scriptOf } from '../pm2/app-config.ts';
import { portIn } from '../pm2/env-port.ts';
import type { Instance } from '../pm2/list.ts';
import { declaredPort } from './ports.ts';

/** Apps that would answer each other's visitors, as sentences. */
export interface SharedPorts {
  /** Nobody can mean that: several environments of one script, which did not share the port before. */
  refused: string[];
  warned: string[];
}

/**
 * In cluster mode, all apps of one PM2 that listen on a port share it, whatever their names: each answers some of the
 * requests, and every health check passes. In fork mode the second one fails by itself.
 */
export function sharedPorts(
  config: readonly DeployApp[],
  pm2Env: string | null,
  all: readonly Instance[],
): SharedPorts {
  const found: SharedPorts = { refused: [], warned: [] };
  const own = config.flatMap((app) => {
    const port = expectedInstances(app).mode === 'cluster' ? declaredPort(app, pm2Env) : null;
    return port === null ? [] : [{ app, port }];
  });
  const runsThere = (name: string, port: number): boolean =>
    all.some((one) => one.name === name && one.status === 'online' && portIn(one.env) === port);
  own.forEach(({ app, port }, at) => {
    for (const other of own.slice(at + 1).filter((one) => one.port === port)) {
      const sentence = `'${app.name}' and '${other.app.name}' both have PORT ${port}, and in cluster mode they share it: each answers some of the requests.`;
      const sharedBefore = runsThere(app.name, port) && runsThere(other.app.name, port);
      const sameScript = scriptOf(app) === scriptOf(other.app);
      (sameScript && !sharedBefore ? found.refused : found.warned).push(sentence);
    }
    const others = all.filter(
      (one) =>
        !one.module &&
        one.execMode === 'cluster' &&
        one.status === 'online' &&
        portIn(one.env) === port &&
        config.every(({ name }) => name !== one.name),
    );
    for (const name of new Set(others.map((one) => one.name)))
      found.warned.push(
        `'${name}', which this PM2 runs too, has PORT ${port} like '${app.name}'. In cluster mode they share it: each answers some of the requests. Give each app its own port.`,
      );
  });
  return found;
}
