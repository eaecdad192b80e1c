import type { Staged } from '../build/stage.ts';
import { type Context, inform } from '../context.ts';
import { portsOfApp } from '../health/app-ports.ts';
import { readBaseline } from '../health/baseline.ts';
import { healthTarget } from '../health/health-target.ts';
import { declaredPort, expectedPorts } from '../health/ports.ts';
import type { DeployApp } from '../pm2/app-config.ts';
import { portIn } from '../pm2/env-port.ts';
import type { Instance, Json } from '../pm2/list.ts';
import type { Current } from '../state/current.ts';
import { removeUnknown } from '../swap/remove-unknown.ts';
import { DeployFailure } from '../system/failure.ts';
import { chooseCanaries } from './choice.ts';
import { freeRange } from './free-range.ts';
import { localPort } from './local-url.ts';
import type { Aside } from './own-entries.ts';
import { type Boot, tryCanaries } from './run.ts';

/**
 * Has the staged version prove itself in a canary of each app that is to have one, and leaves staging as it was. Throws a
 * `DeployFailure` where it does not, or where a canary is required that cannot be. `enter` is called where there is any.
 */
export async function prove(
  context: Context,
  { staging, config }: Staged,
  { version, showOwn }: Aside,
  current: Current | null,
  enter: () => void,
): Promise<Boot[]> {
  const { plan, places, pm2, clock } = context;
  if (plan.canary === 'off') return [];
  const names = config.map(({ name }) => name);
  const { instances, before } = await readBaseline(pm2, names);
  const all = await pm2.list();
  const healthUrl =
    plan.healthUrl === null
      ? null
      : healthTarget(plan.healthUrl, config, plan.pm2Env, expectedPorts(config, plan.pm2Env, before));
  const healthPort = localPort(healthUrl);
  const free = freeRange();
  const { chosen, without, impossible } = chooseCanaries(plan.canary, config, places.live, (app) => {
    const [first] = instances.filter(({ name }) => name === app.name);
    return {
      runs: first !== undefined,
      ports: portsOfApp(app.name, all, before.ports),
      oldPort: first === undefined ? null : portIn(first.env),
      newPort: declaredPort(app, plan.pm2Env),
      healthPort,
      freeRange: free,
    };
  });
  for (const sentence of without) inform(context.log, sentence);
  if (impossible.length > 0) {
    throw new DeployFailure(`canary is \`required\`, and ${impossible.join(' ')}`, {
      remedy: 'Set canary to `auto`, for the apps that can have one, or to `off`.',
    });
  }
  if (chosen.length === 0) return [];

  enter();
  showOwn();
  try {
    const inheritedBy = (app: DeployApp): Record<string, string> =>
      inherited(app, instances, current, plan.pm2Env);
    const trial = { staging, chosen, running: instances, inheritedBy, healthUrl };
    return await clock.book('canary', () => tryCanaries(context, trial));
  } finally {
    removeUnknown(staging, version);
  }
}

/** What an app has from the shell that first started it: its whole environment without what the last deploy gave it. */
function inherited(
  { name }: DeployApp,
  instances: readonly Instance[],
  current: Current | null,
  pm2Env: string | null,
): Record<string, string> {
  const running = instances.find((one) => one.name === name)?.env ?? {};
  const last = current?.config.find((app) => app.name === name);
  const given = { ...last?.env, ...(last?.[`env_${pm2Env}`] as Record<string, Json> | undefined) };
  return Object.fromEntries(Object.entries(running).filter(([variable]) => !(variable in given)));
}
