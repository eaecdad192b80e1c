import { setTimeout as sleep } from 'node:timers/promises';
import * as core from '@actions/core';
import { rateLimitWait, refusalOf, refusalSentence } from './deployment-refusal.ts';
import type { DeploymentStatus } from './deployment-status.ts';
import { hostLines } from './hostile-text.ts';
import {
  type CreatedDeployment,
  type KnownEnd,
  noteDeployment,
  noteDeploymentEnd,
  noteDeploymentTold,
} from './left-for-post.ts';
import { leaveGroup } from './log-group.ts';

/** A deploy that GitHub shows as a deployment of an environment. */
export interface DeploymentFacts extends Omit<CreatedDeployment, 'id'> {
  token: string;
  /** What is deployed; null if only the host knows, as in a rollback to the version before. */
  ref: string | null;
  /** What GitHub's pages call it: `deploy` or `rollback`. */
  task: string;
}

/** Set once GitHub has given it; the other outputs are set at the end. */
export const DEPLOYMENT_OUTPUT = 'deployment-id';

/** One request, in milliseconds: a deploy waits for GitHub no longer than this, at its end. */
const REQUEST_TIMEOUT = 10_000;
/** What a rate limit may ask us to wait, in milliseconds. */
const MOST_WAIT = 5_000;
const AFTER_SERVER_ERROR = 1_000;

/**
 * Creates the deployment while the deploy goes on, and returns what ends it. Nothing here ever fails a deploy: what
 * GitHub refuses is a warning, once.
 */
export function openDeployment(facts: DeploymentFacts): (status: DeploymentStatus) => Promise<void> {
  const { ref } = facts;
  const beginning = ref === null ? null : create(facts, ref);
  return async (status) => {
    const { state, description } = status;
    // Before anything is waited for: the job may be killed meanwhile.
    noteDeploymentEnd({ state, description });
    // After a rollback to the version before, the commit that runs is known now.
    const created = await (beginning ?? (status.sha === null ? null : create(facts, status.sha)));
    if (created !== null) await endDeployment(created, facts.token, status);
  };
}

/** Tells GitHub how the deploy ended. */
export async function endDeployment(
  created: CreatedDeployment,
  token: string,
  { state, description }: KnownEnd,
): Promise<void> {
  await told(`take the end of deployment ${created.id}`, true, () =>
    setStatus(created, token, {
      state,
      description,
      ...(created.environmentUrl === null ? {} : { environment_url: created.environmentUrl }),
    }),
  );
  noteDeploymentTold();
}

async function create(facts: DeploymentFacts, ref: string): Promise<CreatedDeployment | null> {
  const { token, repository, environment, environmentUrl, logUrl, task } = facts;
  const id = await told('create the deployment', false, async () => {
    const octokit = await octokitOf(token);
    const { data } = await octokit.rest.repos.createDeployment({
      ...ownerAndName(repository),
      ref,
      task,
      environment,
      description: 'PM2 SSH Deploy',
      // The commit as it is, without a merge; its own check is still running.
      auto_merge: false,
      required_contexts: [],
      request: { signal: AbortSignal.timeout(REQUEST_TIMEOUT) },
    });
    if (!('id' in data)) throw new Error(data.message ?? 'the answer names no deployment');
    return data.id;
  });
  if (id === null) return null;
  const created = { id, repository, environment, environmentUrl, logUrl };
  noteDeployment(created);
  try {
    core.setOutput(DEPLOYMENT_OUTPUT, String(id));
  } catch (error) {
    warn(`Could not set the output ${DEPLOYMENT_OUTPUT}: ${String(error)}`);
  }
  await told(`take the beginning of deployment ${id}`, true, () =>
    setStatus(created, token, { state: 'in_progress' }),
  );
  return created;
}

async function setStatus(
  { id, repository, environment, logUrl }: CreatedDeployment,
  token: string,
  status: {
    state: 'in_progress' | DeploymentStatus['state'];
    description?: string;
    environment_url?: string;
  },
): Promise<void> {
  const octokit = await octokitOf(token);
  await octokit.rest.repos.createDeploymentStatus({
    ...ownerAndName(repository),
    deployment_id: id,
    environment,
    ...(logUrl === '' ? {} : { log_url: logUrl }),
    ...status,
    request: { signal: AbortSignal.timeout(REQUEST_TIMEOUT) },
  });
}

/**
 * Makes a request, once more after a brief rate limit. With `repeatable` also after an error of GitHub's own, which
 * leaves open whether it was carried out. Null, and a warning, if GitHub did not take it.
 */
async function told<T>(what: string, repeatable: boolean, request: () => Promise<T>): Promise<T | null> {
  for (const isLast of [false, true]) {
    try {
      return await request();
    } catch (error) {
      const refusal = refusalOf(error);
      const wait =
        rateLimitWait(refusal, Date.now()) ??
        (repeatable && (refusal.status ?? 0) >= 500 ? AFTER_SERVER_ERROR : null);
      if (isLast || wait === null || wait > MOST_WAIT) {
        warn(refusalSentence(refusal, what, Date.now()));
        return null;
      }
      await sleep(wait);
    }
  }
  return null;
}

function warn(text: string): void {
  leaveGroup();
  core.warning(hostLines(text, { colours: false }).join('\n'), { title: 'GitHub deployment' });
}

const SILENT = { debug() {}, info() {}, warn() {}, error() {} };

/** Loaded by those who use it alone: it costs start-up time. In the same file, so that `dist` stays as it is. */
async function octokitOf(token: string) {
  const { getOctokit } = await import(/* webpackMode: "eager" */ '@actions/github');
  return getOctokit(token, { userAgent: 'pm2-ssh-deploy', log: SILENT });
}

function ownerAndName(repository: string): { owner: string; repo: string } {
  const [owner = '', repo = ''] = repository.split('/');
  return { owner, repo };
}
