import { type Context, inform } from '../context.ts';
import type { DeployApp } from '../pm2/app-config.ts';
import type { Before } from '../state/transaction.ts';
import { DeployFailure } from '../system/failure.ts';
import { absoluteUrl, complaintAbout, shownUrl } from './health-request.ts';
import { declaredPorts, expectedPorts } from './ports.ts';

/** The absolute URLs to request: of the new version, and of the old one if that answered with 2xx just now. */
export interface HealthTargets {
  now: string | null;
  before: string | null;
}

/** Requests the health URL before anything is changed. Throws a `DeployFailure` if its port is not known. */
export async function healthTargets(
  { plan, log }: Context,
  config: readonly DeployApp[],
  before: Before,
): Promise<HealthTargets> {
  if (plan.healthUrl === null) return { now: null, before: null };
  const now = healthTarget(plan.healthUrl, config, plan.pm2Env, expectedPorts(config, plan.pm2Env, before));
  const old = absoluteUrl(plan.healthUrl, before.ports, declaredPorts(before.apps, null));
  if (old === null || before.apps.length === 0) return { now, before: null };
  const complaint = await complaintAbout(old);
  if (complaint === null) return { now, before: old };
  inform(log, `Before the deploy, ${complaint}. After a rollback it need not be better than that.`);
  return { now, before: null };
}

/** The absolute form of `health-url` for apps that accept connections on these ports. */
export function healthTarget(
  given: string,
  apps: readonly DeployApp[],
  pm2Env: string | null,
  ports: readonly number[],
): string {
  const url = absoluteUrl(given, ports, declaredPorts(apps, pm2Env));
  if (url !== null) return url;
  throw new DeployFailure(
    `\`health-url\` is the path ${shownUrl(given)}, and the app's port is not known: ${
      ports.length === 0
        ? 'its environment has no PORT, and it listened nowhere'
        : `it has ${ports.join(', ')}`
    }.`,
    { remedy: `Write the port before the path, such as :${ports[0] ?? 3000}${shownUrl(given)}.` },
  );
}
