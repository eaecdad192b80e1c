import { isCommitId } from '../event-parser.ts';
import type { HostResult, Outcome } from '../protocol.ts';
import { hostSentence } from './hostile-text.ts';
import { reasonOf } from './words.ts';

/** The outputs of a deploy, by name: exactly those of `action.yml`. */
export interface Outputs extends Readonly<Record<string, string>> {
  outcome: Outcome;
  sha: string;
  'previous-sha': string;
  hosts: string;
  'failed-requests': string;
  'downtime-ms': string;
  'duration-ms': string;
}

/** Outputs of a deploy whose host reported its end. `durationMs` is the time of the whole action. */
export function outputsOf(label: string, result: HostResult, durationMs: number): Outputs {
  const { failure } = result;
  const host = {
    host: label,
    outcome: result.outcome,
    sha: commit(result.sha),
    'previous-sha': commit(result.previousSha),
    instances: count(result.instances),
    'duration-ms': Math.round(result.durationMs),
    'failed-requests': count(result.requests?.failed),
    'downtime-ms': count(result.requests?.downtimeMs),
    failure: failure && {
      state: failure.state,
      message: hostSentence(failure.rollback === null ? failure.message : reasonOf(failure)),
    },
  };
  return {
    outcome: result.outcome,
    sha: host.sha ?? '',
    'previous-sha': host['previous-sha'] ?? '',
    hosts: JSON.stringify([host]),
    'failed-requests': String(host['failed-requests'] ?? ''),
    'downtime-ms': String(host['downtime-ms'] ?? ''),
    'duration-ms': String(Math.round(durationMs)),
  };
}

/** Outputs if no host reported an end: bad inputs, no connection, a lost host. */
export function outputsWithoutResult(durationMs: number): Outputs {
  return {
    outcome: 'failed',
    sha: '',
    'previous-sha': '',
    hosts: '[]',
    'failed-requests': '',
    'downtime-ms': '',
    'duration-ms': String(Math.round(durationMs)),
  };
}

/** Null if this is not a number: nothing was counted, or the host sent something else. */
function count(value: number | null | undefined): number | null {
  return typeof value === 'number' && Number.isFinite(value) ? Math.round(value) : null;
}

/** Null if this is not a commit id: a host may send anything. */
function commit(sha: string | null): string | null {
  return sha !== null && isCommitId(sha) ? sha : null;
}
