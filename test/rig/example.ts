import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { GitServer } from './git-server.ts';
import { startGitServer } from './git-server.ts';
import type { Host } from './host.ts';
import { type JobRun, runWorkflow } from './job.ts';
import { ROOT } from './places.ts';
import type { Repository } from './repository.ts';

/** The private repository of an example on a server like GitHub's. */
export const EXAMPLE = 'octocat/example';

/** What was made by a build or an install in the example itself is none of its files. */
const MADE = /(^|\/)(node_modules|dist|\.next|generated)(\/|$)/;

/** The files of `examples/<name>`. Each text of `changes` is replaced; one that no file has is an error. */
export function exampleFiles(name: string, changes: Record<string, string> = {}): Record<string, string> {
  const top = path.join(ROOT, 'examples', name);
  const found = readdirSync(top, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(top, path.join(entry.parentPath, entry.name)))
    .filter((file) => !MADE.test(file));
  const files = Object.fromEntries(found.map((file) => [file, readFileSync(path.join(top, file), 'utf8')]));
  for (const [text, other] of Object.entries(changes)) {
    const holders = found.filter((file) => files[file]?.includes(text));
    if (holders.length === 0) throw new Error(`no file of examples/${name} has '${text}'`);
    for (const file of holders) files[file] = files[file]?.replaceAll(text, () => other) ?? '';
  }
  return files;
}

/** Runs the workflow of an example, of which nothing is changed but the server, its user and the times, and what `changes` says. */
export interface ExampleWorkflow extends AsyncDisposable {
  /** As a push of the commit `sha` does, or as the button for `mode`. */
  run(sha: string, mode?: string): Promise<JobRun[]>;
}

export async function exampleWorkflow(
  name: string,
  host: Host,
  repository: Repository,
  changes: Record<string, string> = {},
): Promise<ExampleWorkflow> {
  const github: GitServer = await startGitServer({
    repositories: { [EXAMPLE]: repository.path },
    reads: { ghs_madeUpTokenOfTheTestRig: [EXAMPLE] },
  });
  writeFileSync(path.join(host.directory, '.gitconfig'), `[http]\n\tsslCAInfo = ${github.ca}\n`);
  const { port, username } = host.access;
  const all = {
    'app.example.com\n': `${host.access.host}:${port}\n`,
    'username: deploy\n': `username: ${username}\n          stable-for: 3s\n          health-timeout: 20s\n`,
    ...changes,
  };
  const workflow = exampleFiles(name, all)['.github/workflows/deploy.yml'] ?? '';
  return {
    run: (sha, mode) =>
      runWorkflow(workflow, {
        event: mode === undefined ? { name: 'push' } : { name: 'workflow_dispatch', inputs: { mode } },
        secrets: { DEPLOY_KEY: host.access.key },
        vars: { DEPLOY_KNOWN_HOSTS: host.access['known-hosts'] },
        env: { GITHUB_SERVER_URL: github.url, GITHUB_REPOSITORY: EXAMPLE, GITHUB_SHA: sha },
      }),
    [Symbol.asyncDispose]: () => github.stop(),
  };
}
