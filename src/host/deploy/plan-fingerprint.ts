import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { envFilesIn } from '../build/env-files.ts';
import type { Context } from '../context.ts';
import { readIfThere } from '../system/durable.ts';

/** Changes when anything but the commit changes what a deploy does. */
export function fingerprintOf({ plan, places, pm2 }: Context): string {
  const { workingDirectory, steps, apps, ecosystem, script, pm2Env } = plan;
  const envFiles = [places.live, places.workDir].flatMap((directory) =>
    envFilesIn(directory).map((name) => [directory, name, readIfThere(join(directory, name))]),
  );
  const all = [
    workingDirectory,
    steps,
    apps,
    ecosystem,
    script,
    pm2Env,
    envFiles,
    process.version,
    pm2.install.version,
  ];
  return createHash('sha256').update(JSON.stringify(all)).digest('hex');
}
