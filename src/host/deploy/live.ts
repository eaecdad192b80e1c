import type { Context } from '../context.ts';
import { type Head, readHead } from '../git/checkout.ts';
import { type Current, loadCurrent } from '../state/current.ts';
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

export async function readLive({ places, git }: Context): Promise<Live> {
  const current = loadCurrent(places.state);
  return {
    head: await readHead(git),
    current,
    generated: loadRecord(places.state, current?.record ?? null),
  };
}
