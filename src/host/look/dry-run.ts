import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { envFilePath } from '../build/env-input.ts';
import type { Context } from '../context.ts';
import { differenceTo } from '../git/difference.ts';
import type { DeployApp } from '../pm2/app-config.ts';
import { DEPLOY_ID } from '../pm2/list.ts';
import { treeOf } from '../state/places.ts';
import { readIfThere } from '../system/durable.ts';

const MOST_FILES = 20;

/** What a deploy of `sha` would change in the checkout, as sentences: commits and tracked files. */
export async function changesOfCommit(context: Context, from: string, sha: string): Promise<string[]> {
  if (from === sha) return ['The commit is checked out already.'];
  const { git, gitIn, plan } = context;
  const found = await differenceTo(git, gitIn, { from, sha, repository: plan.repository }, context.access);
  if (found === null) return [];
  const { ahead, behind, newest, files } = found;
  const more = ahead > newest.length ? `; and ${ahead - newest.length} more` : '';
  const shown = files.slice(0, MOST_FILES).join(', ');
  const others = files.length > MOST_FILES ? ` and ${files.length - MOST_FILES} more` : '';
  return [
    ...(ahead > 0 ? [`${counted(ahead, 'commit')} would go live: ${newest.join('; ')}${more}.`] : []),
    ...(behind > 0
      ? [`${counted(behind, 'commit')} that ${behind === 1 ? 'is' : 'are'} live would go.`]
      : []),
    files.length === 0
      ? 'No tracked file would change.'
      : `${counted(files.length, 'tracked file')} would change: ${shown}${others}. Install and build add theirs.`,
  ];
}

/** What it would do to the env file; null if the plan has none. */
export function changeOfEnvFile({ plan, places }: Pick<Context, 'plan' | 'places'>): string | null {
  const path = envFilePath(plan);
  if (plan.envFile === null || path === null) return null;
  const now = readIfThere(join(treeOf(places), path));
  if (now === plan.envFile.content) return `${path} would stay: it is what env-file says.`;
  return now === null ? `${path} would be written.` : `${path} would change: env-file says something else.`;
}

/** What it would change of the settings that PM2 has, as sentences. Names settings, never values. */
export function changesOfConfig(old: readonly DeployApp[], wanted: readonly DeployApp[]): string[] {
  const changes = wanted.flatMap((app): string[] => {
    const before = old.find(({ name }) => name === app.name);
    if (before === undefined) return [`'${app.name}' is new`];
    const changed = settingsOf(before, app);
    return changed.length === 0 ? [] : [`'${app.name}' gets other settings: ${changed.join(', ')}`];
  });
  const gone = old.filter(({ name }) => !wanted.some((app) => app.name === name));
  const all = [...changes, ...gone.map(({ name }) => `'${name}' is no longer in it`)];
  return all.length === 0
    ? ['The ecosystem file says the same as before.']
    : [`By the ecosystem file of the commit, ${all.join('; ')}.`];
}

function settingsOf(before: DeployApp, after: DeployApp): string[] {
  const differing = (one: object, other: object): string[] =>
    [...new Set([...Object.keys(one), ...Object.keys(other)])].filter(
      (key) => !isDeepStrictEqual(Reflect.get(one, key), Reflect.get(other, key)),
    );
  const variables = differing(before.env, after.env).filter((name) => name !== DEPLOY_ID);
  return [
    ...differing({ ...before, env: null }, { ...after, env: null }),
    ...variables.map((name) => `env.${name}`),
  ];
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}
