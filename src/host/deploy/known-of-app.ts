import { scriptsOf } from '../build/start-script.ts';
import type { Context } from '../context.ts';
import { portsOfApp } from '../health/app-ports.ts';
import { readBaseline } from '../health/baseline.ts';
import { declaredPort } from '../health/ports.ts';
import type { DeployApp } from '../pm2/app-config.ts';

/** What is known of an app beside its settings. */
export interface KnownOfApp {
  /** Whether PM2 runs it now. */
  runs: boolean;
  /** Whether it accepts connections now; of an app that does not run, whether it has a PORT. */
  serves: boolean;
  /** The `scripts` of its package.json. */
  scripts: Readonly<Record<string, string>>;
}

/** Looks at what runs, and at the version that lies at `top`. */
export async function knownOfApps(
  { pm2, plan, places }: Context,
  apps: readonly DeployApp[],
  top: string,
): Promise<(app: DeployApp) => KnownOfApp> {
  const all = await pm2.list();
  const names = apps.map(({ name }) => name);
  const { ports } = (await readBaseline(pm2, names)).before;
  return (app) => {
    const runs = all.some(({ name }) => name === app.name);
    const serves = runs
      ? portsOfApp(app.name, all, ports).certain.length > 0
      : declaredPort(app, plan.pm2Env) !== null;
    return { runs, serves, scripts: scriptsOf(app, places.live, top) };
  };
}
