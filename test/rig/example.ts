import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { exampleFiles } from './example-files.ts';
import type { GitServer } from './git-server.ts';
import { startGitServer } from './git-server.ts';
import type { Host } from './host.ts';
import { type JobRun, runWorkflow } from './job.ts';
import type { Repository } from './repository.ts';
import { createWorkspace } from './workspace.ts';

/** The private repository of an example on a server like GitHub's. */
export const EXAMPLE = 'octocat/example';

/** Runs the workflow of an example, of which nothing is changed but the server, its user and the times, and what `changes` says. */
export interface ExampleWorkflow extends AsyncDisposable {
  /** As a push of the commit `sha` does, or as the button for `mode`, which is pressed on the branch's last commit. */
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
  const workspace = createWorkspace(repository);
  return {
    run: (sha, mode) =>
      runWorkflow(workflow, {
        event: mode === undefined ? { name: 'push' } : { name: 'workflow_dispatch', inputs: { mode } },
        secrets: { DEPLOY_KEY: host.access.key },
        vars: { DEPLOY_KNOWN_HOSTS: host.access['known-hosts'] },
        env: {
          GITHUB_SERVER_URL: github.url,
          GITHUB_REPOSITORY: EXAMPLE,
          GITHUB_SHA: sha || repository.git('rev-parse', repository.branch),
          ...workspace.env,
        },
        actions: workspace.actions,
      }),
    async [Symbol.asyncDispose]() {
      workspace[Symbol.dispose]();
      await github.stop();
    },
  };
}
