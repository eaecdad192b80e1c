import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { DEPLOYMENT_OUTPUT } from '../../src/report/deployment.ts';
import { outputsOf, outputsWithoutResult } from '../../src/report/outputs.ts';
import { failure, PREVIOUS, result, SHA } from './results.ts';

test('a deploy sets every output', () => {
  const { hosts, ...rest } = outputsOf('web-1', result(), 45_000.4);
  expect(rest).toEqual({
    outcome: 'deployed',
    sha: SHA,
    'previous-sha': PREVIOUS,
    'failed-requests': '',
    'downtime-ms': '',
    'duration-ms': '45000',
  });
  expect(JSON.parse(hosts)).toEqual([
    {
      host: 'web-1',
      outcome: 'deployed',
      sha: SHA,
      'previous-sha': PREVIOUS,
      instances: 2,
      'duration-ms': 42_400,
      'failed-requests': null,
      'downtime-ms': null,
      failure: null,
    },
  ]);
});

test('so does a failure, without what the host printed', () => {
  const ended = result({ outcome: 'failed', sha: null, failure: failure({ message: 'a\n::add-mask::b' }) });
  const outputs = outputsOf('host-1', ended, 1);
  expect(outputs).toMatchObject({ outcome: 'failed', sha: '' });
  expect(JSON.parse(outputs.hosts)[0]).toMatchObject({
    sha: null,
    failure: { state: 'verifying', message: 'a : :add-mask::b' },
  });
  expect(outputs.hosts).not.toContain('boom');
});

test.each([
  [{ sent: 132, failed: 0, downtimeMs: 0 }, '0', '0'],
  [{ sent: 132, failed: 5, downtimeMs: 512 }, '5', '512'],
  [{ sent: 1, failed: '$(id)' as unknown as number, downtimeMs: Number.NaN }, '', ''],
])('what became of the requests to the health URL (%#)', (requests, failed, downtime) => {
  const outputs = outputsOf('h', result({ requests }), 1);
  expect(outputs).toMatchObject({ 'failed-requests': failed, 'downtime-ms': downtime });
  expect(JSON.parse(outputs.hosts)[0]).toMatchObject({
    'failed-requests': failed === '' ? null : Number(failed),
    'downtime-ms': downtime === '' ? null : Number(downtime),
  });
});

test('a host cannot put other text where a commit belongs', () => {
  expect(outputsOf('h', result({ sha: '$(id)', previousSha: `${SHA}\nx` }), 1)).toMatchObject({
    sha: '',
    'previous-sha': '',
  });
});

test('the names are those of action.yml', () => {
  const action = parse(readFileSync('action.yml', 'utf8')) as { outputs: Record<string, unknown> };
  const names = Object.keys(action.outputs)
    .filter((name) => name !== DEPLOYMENT_OUTPUT)
    .sort();
  expect(Object.keys(outputsOf('h', result(), 1)).sort()).toEqual(names);
  expect(Object.keys(outputsWithoutResult(1)).sort()).toEqual(names);
});
