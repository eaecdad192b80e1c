import type { Plan } from '../protocol.ts';
import { readEvent, type Workflow } from '../workflow.ts';
import { BadValue } from './bad-value.ts';
import { isCommitId } from './git-ref.ts';

const TAKES = 'a branch, a tag or a full commit id';

/** The commit to deploy when `ref` is not given: the one that this workflow run is about, and was tested. */
export function defaultRef(workflow: Workflow): string {
  switch (workflow.eventName) {
    case 'pull_request_target':
      throw new BadValue(
        'on pull_request_target the commit of the workflow is not the one of the pull request',
        TAKES,
        'Set `ref`, and never to a commit that a stranger can choose.',
      );
    case 'workflow_run':
      return testedCommit(workflow);
    default:
      if (isCommitId(workflow.sha)) return workflow.sha.toLowerCase();
      throw new BadValue('GITHUB_SHA names no commit', TAKES, 'Set `ref`.');
  }
}

/** A `ref` that is given, but names the very commit that the workflow runs for, was chosen by the event all the same. */
export function originOf(ref: string | null, workflow: Workflow): Plan['refOrigin'] {
  if (ref === null || ref !== ownCommit(workflow)) return 'input';
  return isOfFork(workflow) ? 'fork' : 'workflow';
}

function ownCommit(workflow: Workflow): string | null {
  try {
    return defaultRef(workflow);
  } catch (error) {
    if (error instanceof BadValue) return null;
    throw error;
  }
}

interface PullRequestEvent {
  pull_request?: { head?: { repo?: { full_name?: unknown } | null } } | null;
}

/** Whether the commit is one of a pull request whose branch is in another repository, or in one that is gone. */
function isOfFork(workflow: Workflow): boolean {
  const pull = (readEvent(workflow) as PullRequestEvent | null)?.pull_request;
  if (pull === undefined || pull === null) return workflow.eventName.startsWith('pull_request');
  return !isThisRepository(pull.head?.repo?.full_name, workflow);
}

function isThisRepository(fullName: unknown, { repository }: Workflow): fullName is string {
  return typeof fullName === 'string' && fullName.toLowerCase() === repository.toLowerCase();
}

interface WorkflowRunEvent {
  workflow_run?: {
    conclusion?: unknown;
    head_sha?: unknown;
    head_repository?: { full_name?: unknown } | null;
  };
}

/** On `workflow_run` GITHUB_SHA is the default branch's tip; the commit that was tested stands in the event. */
function testedCommit(workflow: Workflow): string {
  const run = (readEvent(workflow) as WorkflowRunEvent | null)?.workflow_run;
  const sha = run?.head_sha;
  if (typeof sha !== 'string' || !isCommitId(sha)) {
    throw new BadValue('the workflow_run event does not say which commit was tested', TAKES, 'Set `ref`.');
  }
  if (run?.conclusion !== 'success') {
    throw new BadValue(
      `the workflow run before it did not succeed (it ended as ${JSON.stringify(run?.conclusion ?? null)})`,
      TAKES,
      "Add `if: github.event.workflow_run.conclusion == 'success'` to the job.",
    );
  }
  const from = run.head_repository?.full_name;
  if (!isThisRepository(from, workflow)) {
    throw new BadValue(
      `the tested commit is from ${typeof from === 'string' ? JSON.stringify(from) : 'a repository that is gone'}, not from this repository`,
      TAKES,
      "Deploy only runs of this repository's own branches, or set `ref`.",
    );
  }
  return sha.toLowerCase();
}
