import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { registryCertificates } from './certificates.ts';
import type { Action } from './job.ts';
import type { Repository } from './repository.ts';

/** The workspace of a job that checks a repository out, as it lies on the runner. */
export interface Workspace extends Disposable {
  /** Stand-ins for the actions that such jobs begin with, by their name. */
  actions: Record<string, Action>;
  /** What the job's commands need to work there. */
  env: Record<string, string>;
}

/** Packages stay from job to job, as a cache would bring them back; all else is new in each. */
export function createWorkspace(repository: Repository): Workspace {
  const top = mkdtempSync(path.join(os.tmpdir(), 'workspace-'));
  const script = (name: string, content: string): Action => {
    const main = path.join(top, name);
    writeFileSync(main, content);
    return { main };
  };
  const checkout = `import { execFileSync } from 'node:child_process';
const git = (...args) => execFileSync('git', args, { stdio: 'inherit' });
git('init', '--quiet');
git('fetch', '--quiet', '--depth=1', ${JSON.stringify(repository.url)}, process.env.GITHUB_SHA);
git('checkout', '--quiet', '--force', '--detach', 'FETCH_HEAD');
git('clean', '--quiet', '-ffdx', '--exclude=node_modules');
`;
  const directory = mkdtempSync(path.join(top, 'files-'));
  const certificates = registryCertificates();
  return {
    env: {
      GITHUB_WORKSPACE: directory,
      ...(certificates !== null && { npm_config_cafile: certificates }),
    },
    actions: {
      'actions/checkout': script('checkout.mjs', checkout),
      'actions/setup-node': script('setup-node.mjs', ''),
    },
    [Symbol.dispose]: () => rmSync(top, { recursive: true, force: true }),
  };
}
