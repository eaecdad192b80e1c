import { expect, test } from 'vitest';
import type { HostResult, PastDeploy, Standing } from '../../src/protocol.ts';
import { standingLines, standingMarkdown } from '../../src/report/standing.ts';
import { renderSummary } from '../../src/report/summary.ts';
import { outcomeSentence } from '../../src/report/words.ts';
import { outsideOfCode } from '../rig/outside-of-code.ts';
import { FACTS, PREVIOUS, result, SHA } from './results.ts';

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
  logs: [],
  remarks: [],
  history: [past(), past({ mode: 'rollback', sha: PREVIOUS })],
  ...given,
});
const status = (given: Partial<Standing> = {}, rest: Partial<HostResult> = {}) =>
  result({ mode: 'status', outcome: 'unchanged', standing: standing(given), ...rest });

test('the log tells what runs, since when and by which run, and the history in columns', () => {
  expect(standingLines(status({ remarks: ['A deploy is running here: ben.'] }))).toEqual([
    `Runs       ${SHA}`,
    `Since      2026-01-02 03:04:05 UTC, ann, ${run.url}`,
    'App        shop: 1 of 2 online, restarted 3 times since the last deploy',
    'Health     healthy',
    'Note       A deploy is running here: ben.',
    'History, newest first:',
    '  2026-01-02 03:04:05 UTC  deployed        aaaaaaa  ann  run 7',
    '  2026-01-02 03:04:05 UTC  rolled back to  bbbbbbb  ann  run 7',
  ]);
  const lines = standingLines(
    status({ history: [], deployed: null }, { unhealthy: 'It is not healthy: shop is errored.' }),
  );
  expect(lines).toContain('Since      not deployed by this action');
  expect(lines).toContain('Health     It is not healthy: shop is errored.');
  expect(lines.at(-1)).toBe('History    nothing was ever deployed here');
});

test('text of the host stays text, in the log and in the summary', () => {
  const hostile = '::add-mask::x\n##[error]<b>@octocat';
  const told = status({
    remarks: [hostile],
    history: [past({ at: hostile, reason: hostile, run: { ...run, actor: hostile } })],
  });
  for (const line of standingLines(told)) expect(line).not.toMatch(/\n|^\s*::add|##\[/);
  expect(outsideOfCode(standingMarkdown(told, null))).not.toMatch(/@octocat|<b>|##\[/);
});

test('the summary has the history as a table with whole run links, the reason last', () => {
  const bad = past({ outcome: 'rolled-back', reason: `shop crashed ${'x'.repeat(400)}` });
  const many = [bad, ...Array.from({ length: 29 }, () => past({ mode: 'rollback', sha: PREVIOUS }))];
  const summary = renderSummary(status({ history: many }), FACTS);
  const rows = summary.split('\n').filter((line) => line.startsWith('| 2026'));
  expect(rows).toHaveLength(10);
  expect(rows[0]).toMatch(
    /^\| 2026-01-02 03:04:05 UTC \| rolled-back \| \[`aaaaaaa`\]\(\S+\) \| ann, \[run 7\]\(https:\/\/github\.example\/o\/r\/actions\/runs\/7\/attempts\/1\) \| shop crashed .{60,120} \|$/,
  );
  expect(rows[1]).toContain(`[\`bbbbbbb\`](${FACTS.commits}/${PREVIOUS})`);
  for (const line of standingLines(status({ history: many }))) expect(line.length).toBeLessThan(190);
});

test('the last lines of the logs are folded in the summary, as text alone', () => {
  const summary = renderSummary(
    status({ logs: [{ app: '<b>shop', stream: 'error', lines: ['</details> @octocat', 'Error: boom'] }] }),
    FACTS,
  );
  expect(summary).toMatch(/<details><summary>Last lines of the error log of an app<\/summary>/);
  expect(summary).toContain('Error: boom');
  expect(outsideOfCode(summary)).not.toMatch(/@octocat|<b>/);
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
