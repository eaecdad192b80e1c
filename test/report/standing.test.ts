import { expect, test } from 'vitest';
import type { PastDeploy, Standing } from '../../src/protocol.ts';
import { standingHtml, standingLines } from '../../src/report/standing.ts';
import { renderSummary } from '../../src/report/summary.ts';
import { outcomeSentence } from '../../src/report/words.ts';
import { PREVIOUS, result, SHA } from './results.ts';

const run = {
  repository: 'o/r',
  id: '7',
  attempt: '1',
  url: 'https://github.example/o/r/actions/runs/7/attempts/1',
  actor: 'ann',
};
const past = (given: Partial<PastDeploy> = {}): PastDeploy => ({
  mode: 'deploy',
  outcome: 'deployed',
  sha: SHA,
  at: '2026-01-02T03:04:05.678Z',
  run,
  reason: null,
  ...given,
});
const standing = (given: Partial<Standing> = {}): Standing => ({
  deployed: past(),
  apps: [{ name: 'shop', instances: 2, online: 1, ended: 0, outdated: 0, restarts: 3 }],
  complaint: null,
  remarks: [],
  history: [past(), past({ mode: 'rollback', sha: PREVIOUS })],
  ...given,
});
const status = (given: Partial<Standing> = {}) =>
  result({ mode: 'status', outcome: 'unchanged', standing: standing(given) });

test('the log tells what runs, since when and by which run, and the history in columns', () => {
  expect(standingLines(status({ remarks: ['A deploy is running here: ben.'] }))).toEqual([
    `Runs       ${SHA}`,
    `Since      2026-01-02 03:04:05 UTC, ann, ${run.url}`,
    'App        shop: 1 of 2 online, restarted 3 times since the last deploy',
    'Health     healthy',
    'Note       A deploy is running here: ben.',
    'History, newest first:',
    `  2026-01-02 03:04:05 UTC  deployed        aaaaaaa  ann, ${run.url}`,
    `  2026-01-02 03:04:05 UTC  rolled back to  bbbbbbb  ann, ${run.url}`,
  ]);
  const lines = standingLines(status({ history: [], deployed: null, complaint: 'shop is errored' }));
  expect(lines).toContain('Since      not deployed by this action');
  expect(lines).toContain('Health     fails the health rules: shop is errored');
  expect(lines.at(-1)).toBe('History    nothing was ever deployed here');
});

test('text of the host stays text, in the log and in the summary', () => {
  const hostile = '::add-mask::x\n##[error]<b>@octocat';
  const told = status({
    complaint: hostile,
    remarks: [hostile],
    history: [past({ at: hostile, reason: hostile, run: { ...run, actor: hostile } })],
  });
  for (const line of standingLines(told)) expect(line).not.toMatch(/\n|::add|##\[/);
  const html = standingHtml(told, null);
  expect(html).not.toContain('<b>');
  expect(html).not.toContain('@octocat');
});

test('the summary has the history as a table, and no word on what ran before', () => {
  const html = renderSummary(status(), {
    label: 'web-1',
    path: '~/shop',
    commits: 'https://github.example/c',
  });
  expect(html).toContain('<h3>Status: aaaaaaa is checked out, 2 instances online.</h3>');
  expect(html).toContain(`<a href="https://github.example/c/${PREVIOUS}"><code>bbbbbbb</code></a>`);
  expect(html).not.toContain('Ran before');
});

test('how it ended is said in the words of what was asked', () => {
  expect(outcomeSentence(result({ mode: 'rollback' }))).toBe(
    'Rolled back as asked: aaaaaaa runs on all 2 instances, healthy.',
  );
  expect(outcomeSentence(result({ mode: 'rollback', outcome: 'rolled-back' }))).toMatch(
    /^The rollback failed and was undone: .* The old version \(aaaaaaa\) runs/,
  );
  expect(outcomeSentence(result({ mode: 'check', outcome: 'unchanged', sha: null, instances: 0 }))).toBe(
    'Checked: nothing stands in the way of a deploy. No commit is checked out, 0 instances online.',
  );
});
