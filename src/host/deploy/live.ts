import type { Context } from '../context.ts';
import { type Head, readHead } from '../git/checkout.ts';
import { type Current, loadCurrent } from '../state/current.ts';
import { treeOf } from '../state/places.ts';
import { loadRecord } from '../swap/record.ts';
import type { Generated } from '../swap/tree.ts';

/** What is live, as git and our own records have it. */
export interface Live {
  head: Head;
  /** The version that was verified last; null where no deploy of ours was. */
  current: Current | null;
  /** What its build made; null where no build of ours did. */
  generated: Generated | null;
}

export async function readLive(context: Context): Promise<Live> {
  const { places } = context;
  const current = loadCurrent(places.state);
  return {
    head: await readLiveHead(context),
    current,
    generated: loadRecord(places.state, current?.record ?? null),
  };
}

/**
 * HEAD, with the commit of the version that runs. Where each version is a checkout of its own, that one tells: what somebody checks
 * out in the app's directory changes no file that runs.
 */
export async function readLiveHead({
  places,
  gitAfterwards,
}: Pick<Context, 'places' | 'gitAfterwards'>): Promise<Head> {
  const head = await readHead(gitAfterwards);
  const tree = treeOf(places);
  if (tree === places.top) return head;
  const own = await gitAfterwards.attempt(['-C', tree, 'rev-parse', '--verify', '--quiet', 'HEAD^{commit}']);
  const sha = own.stdout.trim();
  // What was committed in there by hand is in no other repository.
  const isKnown =
    own.code === 0 && (await gitAfterwards.attempt(['cat-file', '-e', `${sha}^{commit}`])).code === 0;
  return isKnown ? { ...head, sha } : head;
}
