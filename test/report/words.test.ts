import { expect, test } from 'vitest';
import { formatDuration, outcomeSentence, requestsSentence } from '../../src/report/words.ts';
import { failure, result } from './results.ts';

test.each([
  [result(), 'Deployed: aaaaaaa runs on all 2 instances, healthy.'],
  [
    result({ asked: false }),
    'Deployed: aaaaaaa runs on all 2 instances, healthy as far as PM2 can tell; without `health-url` nobody asked for a page.',
  ],
  [
    result({ outdated: [{ name: 'api', instances: 3 }] }),
    "Deployed: aaaaaaa runs on its 2 instances, healthy. Still on an older version, on files of the new one: 'api' (3 instances). A crash would boot the new code there untried: add the app to `app`, or leave `app` out, and deploy again.",
  ],
  [
    result({
      outcome: 'failed',
      failure: failure({ state: 'canary', live: 'http://localhost/ answers 500' }),
    }),
    'Failed in canary: The new version crashed. No file or process of the live app was touched, but it is not well now: http://localhost/ answers 500.',
  ],
  [
    result({ outcome: 'failed', failure: failure({ state: 'preflight' }), sha: null, instances: null }),
    'Failed in preflight: The new version crashed. The live app was not touched.',
  ],
  [result({ mode: 'status', outcome: 'unchanged', instances: null }), 'Status: What runs was not looked at.'],
  [result({ instances: 1 }), 'Deployed: aaaaaaa runs on its 1 instance, healthy.'],
  [result({ outcome: 'unchanged' }), 'Unchanged: aaaaaaa already runs on all 2 instances, healthy.'],
  [
    result({ outcome: 'rolled-back', failure: failure() }),
    'Rolled back: The new version crashed. The old version (aaaaaaa) runs on all 2 instances.',
  ],
  [
    result({ outcome: 'rolled-back', failure: failure(), sha: null, instances: 0 }),
    'Rolled back: The new version crashed. Nothing ran here before, and nothing of this deploy runs now.',
  ],
  [
    result({ outcome: 'rolled-back', failure: failure(), instances: 0 }),
    'Rolled back: The new version crashed. The files of the old version (aaaaaaa) are back. No instance is online now.',
  ],
  [
    result({ outcome: 'rollback-failed', failure: failure() }),
    'Rollback failed: The new version crashed. Look at the server now: the app may be down.',
  ],
  [
    result({ outcome: 'failed', failure: failure({ state: 'staged', message: 'npm ci failed!' }) }),
    'Failed in staged: npm ci failed! The live app was not touched.',
  ],
  [
    result({ outcome: 'failed', failure: failure({ state: 'locked' }) }),
    'Failed in locked: The new version crashed.',
  ],
  [result({ outcome: 'failed', failure: failure() }), 'Failed in verifying: The new version crashed.'],
])('%#: %s', (ended, sentence) => {
  expect(outcomeSentence(ended)).toBe(sentence);
});

test.each([
  [null, null],
  [{ sent: 132, failed: 0, downtimeMs: 0 }, '0 of 132 requests to the health URL failed.'],
  [
    { sent: 132, failed: 5, downtimeMs: 1_234 },
    '5 of 132 requests to the health URL failed, 1.2s without a good answer.',
  ],
])('%j: %s', (requests, sentence) => {
  expect(requestsSentence(result({ requests }))).toBe(sentence);
});

test.each([
  [0.4, '0ms'],
  [999, '999ms'],
  [1_000, '1.0s'],
  [59_940, '59.9s'],
  [59_960, '1m 00s'],
  [185_000, '3m 05s'],
])('%s ms reads %s', (ms, text) => {
  expect(formatDuration(ms)).toBe(text);
});
