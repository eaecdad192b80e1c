import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { parseEvent } from '../../src/event-parser.ts';
import { renderSummary } from '../../src/report/summary.ts';
import { ROOT } from '../rig/places.ts';
import { FACTS } from './results.ts';

const REAL = path.join(ROOT, 'test/report/real');

/** What real deploys ended with (record.mts), and how the summary of each looks. `vitest -u` writes it anew. */
test.each(readdirSync(REAL).filter((name) => name.endsWith('.json')))(
  'the summary of a real deploy is as it was looked at: %s',
  async (name) => {
    const result = JSON.parse(readFileSync(path.join(REAL, name), 'utf8')) as unknown;
    const event = parseEvent({ type: 'end', result });
    if (event.type !== 'end') throw new Error('not a result');
    await expect(renderSummary(event.result, { ...FACTS, ref: event.result.target })).toMatchFileSnapshot(
      path.join(REAL, name.replace(/json$/, 'md')),
    );
  },
);
