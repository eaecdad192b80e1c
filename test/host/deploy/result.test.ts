import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Context } from '../../../src/host/context.ts';
import { resultOf } from '../../../src/host/deploy/result.ts';
import { openJournal } from '../../../src/host/state/journal.ts';
import { createClock } from '../../../src/host/system/clock.ts';
import { DeployFailure, failureOf } from '../../../src/host/system/failure.ts';
import type { Plan } from '../../../src/protocol.ts';

let state: string;
beforeEach(() => {
  state = mkdtempSync(join(tmpdir(), 'result-'));
});
afterEach(() => rmSync(state, { recursive: true }));

const NEWER = JSON.stringify({ version: 99 });

test.each(['current.json', 'journal.ndjson'])(
  'a deploy that failed for a file it cannot read says so: %s',
  async (file) => {
    writeFileSync(join(state, file), NEWER);
    const context = {
      pm2: { list: () => Promise.resolve([]), install: { version: '7.0.4' } },
      places: { live: join(state, 'live'), state },
      journal: openJournal(state),
    } as unknown as Context;
    const failure = failureOf(new DeployFailure('It has format 99.'), 'fetched');
    const end = { outcome: 'failed' as const, sha: null, previousSha: null, failure };
    const plan = { mode: 'deploy', healthUrl: null } as Plan;
    const result = await resultOf({
      plan,
      end,
      context,
      progress: { sha: null, entered: [] },
      clock: createClock(),
      started: 0,
    });
    expect(result).toMatchObject({ failure: { message: 'It has format 99.' }, instances: null });
  },
);
