import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { runWorkflow } from './job.ts';

let directory: string;
let actions: Record<string, { main: string; post: string }>;
const story = (): string[] => readFileSync(path.join(directory, 'story'), 'utf8').split('\n').filter(Boolean);

beforeAll(() => {
  directory = mkdtempSync(path.join(os.tmpdir(), 'job-'));
  const [main, post] = [path.join(directory, 'main.cjs'), path.join(directory, 'post.cjs')];
  const tell = `const fs = require('fs'); const tell = (text) => fs.appendFileSync(${JSON.stringify(path.join(directory, 'story'))}, text + '\\n');\n`;
  writeFileSync(
    main,
    `${tell}tell('main ' + process.env.INPUT_NAME);\nfs.appendFileSync(process.env.GITHUB_STATE, 'who=' + process.env.INPUT_NAME + '\\n');\nfs.appendFileSync(process.env.GITHUB_OUTPUT, 'said=' + process.env.INPUT_NAME + '!\\n');\nprocess.exitCode = process.env.INPUT_NAME === 'bad' ? 1 : 0;`,
  );
  writeFileSync(post, `${tell}tell('post of ' + process.env.STATE_who + ', now ' + process.env.INPUT_NAME);`);
  actions = { 'acme/tell': { main, post } };
});
afterAll(() => rmSync(directory, { recursive: true }));

const WORKFLOW = `
on: push
env: { WHO: ann }
jobs:
  first:
    runs-on: ubuntu-latest
    outputs: { said: "\${{ steps.one.outputs.said }}" }
    steps:
      - id: one
        uses: acme/tell@v1
        with: { name: "\${{ env.WHO }}" }
      - run: echo "WHO=bob" >> "$GITHUB_ENV"
      - uses: acme/tell@v1
        with: { name: "\${{ format('{0}-{1}', env.WHO, vars.X) }}" }
  second:
    needs: first
    runs-on: ubuntu-latest
    strategy: { matrix: { to: [dev, prod] } }
    steps:
      - run: test '\${{ needs.first.outputs.said }} \${{ matrix.to }} \${{ github.event_name }}' = 'ann! dev push'
      - if: matrix.to == 'dev'
        run: "true"
      - if: failure()
        run: "true"
  third:
    needs: second
    runs-on: ubuntu-latest
    steps: [run: "true"]
`;

test('steps and jobs see what those before them set, and posts run last, in reverse, with their inputs evaluated anew', async () => {
  const runs = await runWorkflow(WORKFLOW, { actions, vars: { X: 'x' } });
  expect(story()).toEqual(['main ann', 'main bob-x', 'post of bob-x, now bob-x', 'post of ann, now bob']);
  expect(runs.map(({ job, matrix, result }) => [job, matrix.to ?? '', result])).toEqual([
    ['first', '', 'success'],
    ['second', 'dev', 'success'],
    ['second', 'prod', 'failure'],
    ['third', '', 'skipped'],
  ]);
  const outcomes = runs.map(({ steps }) => steps.map(({ outcome }) => outcome));
  expect(outcomes[1]).toEqual(['success', 'success', 'skipped']);
  expect(outcomes[2]).toEqual(['failure', 'skipped', 'success']);
});

test('what GitHub would not take is not run', async () => {
  const bad = WORKFLOW.replace('runs-on', 'run-on');
  await expect(runWorkflow(bad, { actions })).rejects.toThrow(/run-on/);
  const misspelt = WORKFLOW.replace('env.WHO', 'envs.WHO');
  await expect(runWorkflow(misspelt, { actions })).rejects.toThrow(/envs/);
  await expect(runWorkflow(WORKFLOW)).rejects.toThrow('does not have the action acme/tell@v1');
});
