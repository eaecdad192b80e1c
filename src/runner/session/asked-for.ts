import { isCommitId } from '../../event-parser.ts';
import { type HostResult, looksOnly, type Outcome, type Plan } from '../../protocol.ts';
import { unbelievable } from './session-failures.ts';

/** What a result is held against. */
export interface Asked {
  label: string;
  plan: Pick<Plan, 'mode' | 'ref'>;
}

/** How a removal may end. */
const AFTER_REMOVAL: readonly Outcome[] = ['removed', 'unchanged', 'failed'];

/**
 * A host that says that all went well has to say it of what was asked for. Throws a `SessionError` if a result is of
 * another mode, or a good one of no commit or of another commit than the full id in the plan. Only a removal removes.
 */
export function requireAsked({ mode, outcome, sha }: HostResult, { label, plan }: Asked): void {
  if (mode !== plan.mode) throw unbelievable(label, `it was asked to ${plan.mode}, and ended a ${mode}`);
  const removes = plan.mode === 'remove';
  if (removes ? !AFTER_REMOVAL.includes(outcome) : outcome === 'removed')
    throw unbelievable(label, `it was asked to ${plan.mode}, and ended as ${outcome}`);
  if (looksOnly(plan) || removes || (outcome !== 'deployed' && outcome !== 'unchanged')) return;
  if (sha === null) throw unbelievable(label, `it ended as ${outcome}, with no commit`);
  const { ref } = plan;
  if (ref !== null && isCommitId(ref) && sha !== ref)
    throw unbelievable(label, `it ended as ${outcome} with the commit ${sha}, and ${ref} was asked for`);
}
