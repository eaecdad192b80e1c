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
  const host = hostOutput(label, result);
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

/** Outputs of a deploy to several hosts, of which each has reported its end, or why it has not. */
export function outputsOfFleet(
  hosts: readonly { label: string; end: HostResult | string }[],
  outcome: Outcome,
  durationMs: number,
): Outputs {
  const all = hosts.map(({ label, end }) =>
    typeof end === 'string' ? unheard(label, end) : hostOutput(label, end),
  );
  const requests = all.map((host) => host['failed-requests']).filter((each) => each !== null);
  const downtimes = all.map((host) => host['downtime-ms']).filter((each) => each !== null);
  return {
    outcome,
    sha: common(all.map(({ sha }) => sha)),
    'previous-sha': common(all.map((host) => host['previous-sha'])),
    hosts: JSON.stringify(all),
    'failed-requests': requests.length === 0 ? '' : String(requests.reduce((sum, each) => sum + each, 0)),
    'downtime-ms': downtimes.length === 0 ? '' : String(Math.max(...downtimes)),
    'duration-ms': String(Math.round(durationMs)),
  };
}

type HostOutput = ReturnType<typeof hostOutput>;

function hostOutput(label: string, result: HostResult) {
  const { failure } = result;
  return {
    host: label,
    outcome: result.outcome,
    sha: commit(result.sha),
    'previous-sha': commit(result.previousSha),
    instances: count(result.instances),
    'duration-ms': Math.round(result.durationMs) as number | null,
    'failed-requests': count(result.requests?.failed),
    'downtime-ms': count(result.requests?.downtimeMs),
    failure: failure && {
      state: failure.state as string | null,
      message: hostSentence(failure.rollback === null ? failure.message : reasonOf(failure)),
    },
  };
}

/** A host that reported no end. */
function unheard(label: string, message: string): HostOutput {
  return {
    host: label,
    outcome: 'failed',
    sha: null,
    'previous-sha': null,
    instances: null,
    'duration-ms': null,
    'failed-requests': null,
    'downtime-ms': null,
    failure: { state: null, message: hostSentence(message) },
  };
}

/** What all hosts have alike, or empty text. */
function common(shas: readonly (string | null)[]): string {
  const [first = null] = shas;
  return first !== null && shas.every((sha) => sha === first) ? first : '';
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
