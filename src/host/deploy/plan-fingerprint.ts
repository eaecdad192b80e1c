import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { envDirectories, envFiles } from '../build/env-files.ts';
import { envFilePath } from '../build/env-input.ts';
import type { Context } from '../context.ts';
import { trackedFiles } from '../git/checkout.ts';
import { envSources } from '../state/places.ts';
import { readIfThere } from '../system/durable.ts';

/** Changes when anything but the commit `sha` itself changes what a deploy of it does. */
export async function fingerprintOf({ plan, places, pm2, git }: Context, sha: string): Promise<string> {
  const { workingDirectory, steps, apps, ecosystem, script, pm2Env, handover, drain } = plan;
  const tracked = await trackedFiles(git, sha);
  const given = envFilePath(plan);
  const directories = envDirectories(tracked.keys(), workingDirectory);
  const contents = new Map<string, string | null>();
  for (const source of envSources(places).reverse())
    for (const path of envFiles(source, directories))
      if (!tracked.has(path) && path !== given) contents.set(path, readIfThere(join(source, path)));
  if (given !== null) contents.set(given, plan.envFile?.content ?? null);
  const all = [
    workingDirectory,
    steps,
    apps,
    ecosystem,
    script,
    pm2Env,
    handover,
    drain,
    [...contents].sort(([a], [b]) => (a < b ? -1 : 1)),
    process.version,
    pm2.install.version,
    ...(plan.layout.kind === 'releases' ? [plan.layout] : []),
  ];
  return createHash('sha256').update(JSON.stringify(all)).digest('hex');
}
