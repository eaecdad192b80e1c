import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect } from 'vitest';
import type { ActionRun } from '../../rig/action.ts';
import { trustCertificates } from '../../rig/certificates.ts';
import { type LoadResult, startLoad } from '../../rig/load.ts';
import type { Site } from '../../rig/site.ts';

/** What is wrong with a version: it throws as it boots, or answers 500. */
export type Flaw = 'boot' | '500';

export interface Kind {
  /** The files of a version, which answers its name at `/version` on the site's port. */
  files(name: string, flaw?: Flaw): Record<string, string>;
  /** Inputs beside those that every deploy has. */
  inputs?: Record<string, string>;
  /** Deploys in another way than by one step with these inputs. */
  deploy?(inputs: Record<string, string>): Promise<ActionRun>;
  /** The versions are uploads, each with an id of its own, beside that of the commit that it is built from. */
  uploads?: true;
  /** What is wrong with the versions that are refused; both unless given. */
  flaws?: readonly Flaw[];
  /** Puts the first version there by hand, instead of a deploy. */
  begin?(): Promise<void>;
  /** Further visitors, who come just before the second version is deployed and go once it is live. */
  during?(): { stop(): Promise<void> };
}

/** Inputs of a deploy as a user makes it: installed by the lockfile and built on the server. */
export const AS_USERS_DO = {
  'install-command': '',
  'build-command': '',
  'health-url': '/version',
  'health-timeout': '60s',
  'stable-for': '3s',
};

/** A framework's package.json and its lockfile. */
export function locked(kind: string): Record<string, string> {
  const read = (name: string): string =>
    readFileSync(path.join(import.meta.dirname, 'locked', kind, name), 'utf8');
  return {
    '.gitignore': 'node_modules\ndist\n',
    'package.json': read('package.json'),
    'package-lock.json': read('package-lock.json'),
  };
}

/**
 * Deploys a first and a second version, two broken ones, and goes back, as a user does. Gives the requests that visitors
 * sent while the second version went live.
 */
export async function livesThrough(site: Site, kind: Kind): Promise<LoadResult> {
  const commit = (name: string, flaw?: Flaw): string => site.repository.commit(kind.files(name, flaw));
  const deploy =
    kind.deploy ??
    ((inputs: Record<string, string>) => site.deploy({ ...AS_USERS_DO, ...kind.inputs, ...inputs }));
  /** What a version is called once it is on the server. */
  const idOf = ({ outputs }: ActionRun, ref: string): string => {
    if (kind.uploads !== true) return ref;
    expect(outputs.sha).toMatch(/^[0-9a-f]{40}$/);
    expect(outputs.sha).not.toBe(ref);
    return outputs.sha ?? '';
  };
  trustCertificates(site.host.directory);
  let first = commit('1');
  if (kind.begin) await kind.begin();
  else {
    const one = await deploy({ ref: first });
    expect(one, one.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed' } });
    first = idOf(one, first);
    expect(one.outputs.sha).toBe(first);
  }
  expect(await site.served()).toBe('1');

  const load = startLoad({ url: `http://127.0.0.1:${site.port}/version`, connections: 4, fresh: 2 });
  await load.sees('1', 10_000);
  const others = kind.during?.();
  const ref = commit('2');
  const two = await deploy({ ref });
  await load.sees('2', 10_000).catch(() => {});
  await others?.stop();
  const result = await load.stop();
  expect(two, two.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed' } });
  const second = idOf(two, ref);
  expect(two.outputs.sha).toBe(second);

  for (const flaw of kind.flaws ?? (['boot', '500'] as const)) {
    const broken = await deploy({ ref: commit(`broken-${flaw}`, flaw), 'health-timeout': '20s' });
    expect(broken, broken.stdout).toMatchObject({ code: 1, outputs: { outcome: 'failed', sha: second } });
    expect(await site.served()).toBe('2');
  }
  // A rollback goes to versions that a deploy has verified. One that was put there by hand is deployed by its id.
  const back = await deploy(kind.begin ? { ref: first } : { mode: 'rollback' });
  expect(back, back.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed', sha: first } });
  expect(await site.served()).toBe('1');
  const status = await deploy({ mode: 'status' });
  expect(status, status.stdout).toMatchObject({ code: 0, outputs: { sha: first } });
  return result;
}

/** For the log of the test: it is what the documentation quotes. */
export function tell(title: string, { failed, sent, failingForMs, failures }: LoadResult): void {
  console.log(
    `${title}: ${failed} of ${sent} failed, ${Math.round(failingForMs)} ms, ${JSON.stringify(failures)}`,
  );
}
