import type { Inputs } from './inputs.ts';
import type { Plan } from './protocol.ts';
import type { DeploymentStatus } from './report/deployment-status.ts';
import type { EarlySession } from './runner/session/early-session.ts';
import type { Bundle } from './runner/upload/bundle.ts';
import type { Workflow } from './workflow.ts';

/** What is to be done, on one host or on several. */
export interface Task {
  inputs: Inputs;
  plan: Plan;
  workflow: Workflow;
  /** The files that are sent; null if none are. */
  bundle: Bundle | null;
  /** A session with the one host that there is, opened while those were read; null if there is none. */
  early: EarlySession | null;
  /** When the action began, on `performance.now()`. */
  started: number;
}

/** How the action ended. */
export interface Ended {
  /** Tells it; the answer is the action's exit code. */
  report: () => Promise<number>;
  /** The same for GitHub's deployments. */
  status: DeploymentStatus;
  /** Whether nothing is left for the post step. */
  settled: boolean;
}

/** How the post step ended. */
export interface Followed {
  /** The exit code. */
  code: number;
  status: DeploymentStatus;
}
