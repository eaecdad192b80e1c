import { join } from 'node:path';
import { readIfThere, writeDurably } from '../system/durable.ts';
import type { Generated } from './tree.ts';

/** Records of what builds made lie in the app's state directory under such names. */
export const RECORD_PREFIX = 'built-';

/** Puts the record of one deploy's build on disk and returns its name. */
export function saveRecord(state: string, deployId: string, generated: Generated): string {
  const name = `${RECORD_PREFIX}${deployId}.json`;
  writeDurably(join(state, name), JSON.stringify(generated));
  return name;
}

/** Null where no deploy of ours made what is there. */
export function loadRecord(state: string, name: string | null): Generated | null {
  const text = name === null ? null : readIfThere(join(state, name));
  return text === null ? null : (JSON.parse(text) as Generated);
}
