import {
  type Event,
  type HostResult,
  type Readiness,
  STATES,
  type State,
  type Word,
} from '../../protocol.ts';

/** Where a host stands in a deploy to several. */
export type Stand =
  /** It is connected to, or looked at. */
  | { at: 'looking' }
  /** It waits for the lock, has been told to take it, or holds it and builds. */
  | { at: 'ready' }
  | { at: 'locking' }
  | { at: 'preparing' }
  /** The version is built, and nothing is changed yet. */
  | { at: 'prepared' }
  /** From the canary to the end of the verification. */
  | { at: 'going' }
  | { at: 'verified' }
  /** It was told that the version stays. */
  | { at: 'staying' }
  /** The old version comes back: because this host failed, or because it was told. */
  | { at: 'returning'; told: boolean }
  /** It was told to give up before anything was changed. */
  | { at: 'leaving' }
  | { at: 'ended'; how: 'good' | 'told' }
  /** It failed of itself, or nobody knows how it ended; `why` is a sentence's end behind its label. */
  | { at: 'ended'; how: 'failed' | 'lost'; why: string };

/** A host as the runner knows it. */
export interface HostView {
  label: string;
  /** Null until it was looked at. */
  readiness: Readiness | null;
  /** The commit that is to go live there; null until that is known. */
  target: string | null;
  /** Whether it was told to go on from `prepared`. */
  went: boolean;
  stand: Stand;
}

export function newView(label: string): HostView {
  return { label, readiness: null, target: null, went: false, stand: { at: 'looking' } };
}

/** What an event changes. */
export function heard(view: HostView, event: Event): HostView {
  switch (event.type) {
    case 'ready': {
      const { type: _, ...readiness } = event;
      const stand: Stand = view.stand.at === 'looking' ? { at: 'ready' } : view.stand;
      return { ...view, readiness, stand };
    }
    case 'target':
      return { ...view, target: event.sha };
    case 'state':
      return { ...view, stand: entered(view.stand, event.state) };
    default:
      return view;
  }
}

function entered(stand: Stand, state: State): Stand {
  // What it was told last says more: it is on its way there.
  if (stand.at === 'ended' || stand.at === 'leaving' || (stand.at === 'returning' && stand.told))
    return stand;
  switch (state) {
    case 'preflight':
    case 'locked':
      return stand;
    case 'fetched':
    case 'staged':
      return { at: 'preparing' };
    case 'prepared':
      return { at: 'prepared' };
    case 'canary':
    case 'activating':
    case 'verifying':
      return { at: 'going' };
    case 'verified':
      return { at: 'verified' };
    case 'committed':
      return { at: 'staying' };
    default:
      return { at: 'returning', told: false };
  }
}

/** What a word changes that was said. */
export function told(view: HostView, word: Word): HostView {
  const stand: Record<Word['type'], Stand> = {
    lock: { at: 'locking' },
    go: { at: 'going' },
    done: { at: 'staying' },
    'roll-back': { at: 'returning', told: true },
    cancel: { at: 'leaving' },
  };
  return { ...view, went: view.went || word.type === 'go', stand: stand[word.type] };
}

/** How the host ended, by its own word. */
export function ended(view: HostView, { outcome, failure }: HostResult): HostView {
  const { stand } = view;
  if (failure === null && (outcome === 'deployed' || outcome === 'unchanged'))
    return { ...view, stand: { at: 'ended', how: 'good' } };
  if (stand.at === 'leaving' || (stand.at === 'returning' && stand.told))
    return { ...view, stand: { at: 'ended', how: 'told' } };
  const state = failure !== null && STATES.includes(failure.state) ? ` in ${failure.state}` : '';
  return { ...view, stand: { at: 'ended', how: 'failed', why: `failed${state}` } };
}

/** There is no result from the host, and there will be none. */
export function lost(view: HostView, how: 'error' | 'absent'): HostView {
  const early = how === 'absent' ? 'had not begun' : 'could not be reached or looked at';
  const why = view.stand.at === 'looking' ? early : 'was lost';
  return { ...view, stand: { at: 'ended', how: 'lost', why } };
}
