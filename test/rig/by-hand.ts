import { execFileSync } from 'node:child_process';
import type { Site } from './site.ts';

/**
 * Puts a version on the site's server as its owner did until today: `git clone; npm run build; pm2 start …`. `args` follow
 * `pm2`, and are run in the checkout.
 */
export async function startByHand(
  { host, repository, live }: Site,
  sha: string,
  ...commands: (readonly string[])[]
): Promise<void> {
  const env = { ...host.env, GIT_CONFIG_NOSYSTEM: '1' };
  execFileSync('git', ['clone', '--quiet', repository.url, live], { env });
  execFileSync('git', ['checkout', '--quiet', sha], { cwd: live, env });
  execFileSync('npm', ['run', 'build'], { cwd: live, env, stdio: 'pipe' });
  for (const args of commands) await host.pm2(args, live);
}
