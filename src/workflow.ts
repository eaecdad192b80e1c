import { readFileSync } from 'node:fs';
import type { Plan } from './protocol.ts';

/** What the runner says about the workflow run, from its GITHUB_* variables. Empty text where it says nothing. */
export interface Workflow {
  /** Without a slash at its end. */
  serverUrl: string;
  /** `owner/name`. */
  repository: string;
  runId: string;
  runAttempt: string;
  actor: string;
  sha: string;
  eventName: string;
  eventPath: string;
}

/** Reads the GITHUB_* variables; never throws. */
export function readWorkflow(env: NodeJS.ProcessEnv): Workflow {
  return {
    serverUrl: (env.GITHUB_SERVER_URL || 'https://github.com').replace(/\/+$/, ''),
    repository: env.GITHUB_REPOSITORY ?? '',
    runId: env.GITHUB_RUN_ID ?? '',
    runAttempt: env.GITHUB_RUN_ATTEMPT || '1',
    actor: env.GITHUB_ACTOR ?? '',
    sha: env.GITHUB_SHA ?? '',
    eventName: env.GITHUB_EVENT_NAME ?? '',
    eventPath: env.GITHUB_EVENT_PATH ?? '',
  };
}

/** The directory of the job's files. */
export function workspaceOf(env: NodeJS.ProcessEnv): string {
  return env.GITHUB_WORKSPACE || process.cwd();
}

/** The page of this run attempt, or empty text outside of a workflow. */
export function runUrl(workflow: Workflow): string {
  const { serverUrl, repository, runId, runAttempt } = workflow;
  return repository && runId ? `${serverUrl}/${repository}/actions/runs/${runId}/attempts/${runAttempt}` : '';
}

/** The payload of the event that started the run; null if there is none that can be read. */
export function readEvent(workflow: Workflow): unknown {
  try {
    return JSON.parse(readFileSync(workflow.eventPath, 'utf8'));
  } catch {
    return null;
  }
}

/** Where the commits of a repository of this GitHub server can be looked at, ending in `/commit`; else null. It has none of uploads. */
export function commitPages(
  { serverUrl }: Workflow,
  { repository, source }: Pick<Plan, 'repository' | 'source'>,
): string | null {
  if (source.kind === 'upload') return null;
  const server = URL.canParse(serverUrl) ? new URL(serverUrl).host : '';
  const [, host, ownerAndName] =
    /^(?:(?:https|ssh):\/\/)?(?:[^@/]*@)?([^@/:]+)[/:]([\w-]+\/[\w.-]+?)(?:\.git)?\/?$/.exec(
      repository.url,
    ) ?? [];
  return server !== '' && host === server ? `${serverUrl}/${ownerAndName}/commit` : null;
}
