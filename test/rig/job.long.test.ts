import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { runWorkflow } from './job.ts';

test("a cancel comes as GitHub's runner sends it, and posts run after it", async () => {
  const directory = mkdtempSync(path.join(os.tmpdir(), 'job-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const story = path.join(directory, 'story');
  const [main, post] = [path.join(directory, 'main.cjs'), path.join(directory, 'post.cjs')];
  const tell = `const tell = (text) => require('fs').appendFileSync(${JSON.stringify(story)}, text + '\\n');\n`;
  writeFileSync(
    main,
    `${tell}const at = performance.now();
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => tell(signal + ' ' + Math.round((performance.now() - at) / 500)));
setInterval(() => {}, 1000);
console.log('at work');`,
  );
  writeFileSync(post, `${tell}tell('post');`);
  const workflow = `
on: push
jobs:
  only:
    runs-on: ubuntu-latest
    steps:
      - uses: acme/stubborn@v1
      - run: "true"
      - if: always()
        run: "true"
`;
  const [job] = await runWorkflow(workflow, {
    cancelAt: /at work/,
    actions: { 'acme/stubborn': { main, post } },
  });
  expect(job).toMatchObject({
    result: 'cancelled',
    steps: [{ outcome: 'cancelled', run: { code: null } }, { outcome: 'skipped' }, { outcome: 'success' }],
  });
  const [first = '', second = '', third = ''] = readFileSync(story, 'utf8').split('\n');
  expect(first).toMatch(/^SIGINT \d+$/);
  // By the step's own clock the first one may come late. No signal is sent early: the whole takes at least 10 s.
  expect(Number(second.split(' ')[1]) - Number(first.split(' ')[1])).toBeGreaterThanOrEqual(10);
  expect(job?.steps[0]?.run?.durationMs).toBeGreaterThan(9_900);
  expect([second.split(' ')[0], third]).toEqual(['SIGTERM', 'post']);
});
