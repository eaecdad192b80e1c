import type { HostResult, State } from '../../protocol.ts';

/** How a deploy ended on this host, without what its caller knows. */
export type End = Pick<HostResult, 'outcome' | 'sha' | 'previousSha' | 'failure'> &
  Partial<Pick<HostResult, 'requests' | 'standing' | 'target' | 'unhealthy'>>;

/** Tells all followers which state the deploy is in. */
export interface Progress {
  state: State;
  /** The states entered so far, the last ones; `atMs` since the program's start. */
  entered: HostResult['states'];
  /** The commit that the deploy is about; null until it is known. */
  sha: string | null;
  /** Whether `migrate-command` has run: that is not undone. */
  migrated: boolean;
  enter(state: State): void;
}
