import { expect, test } from 'vitest';
import type { HostResult } from '../../src/protocol.ts';
import {
  type FleetFacts,
  fleetHeadline,
  fleetOutcome,
  type HostReport,
  mixSentence,
} from '../../src/report/fleet-outcome.ts';
import { renderFleetSummary } from '../../src/report/fleet-report.ts';
import { outputsOfFleet } from '../../src/report/outputs.ts';
import { FACTS, failure, PREVIOUS, result, SHA } from './results.ts';

const DEPLOYED = result();
const UNCHANGED = result({ outcome: 'unchanged', previousSha: SHA });
const BACK = result({ outcome: 'rolled-back', sha: PREVIOUS, failure: failure() });
const FAILED = result({ outcome: 'failed', sha: PREVIOUS, failure: failure({ state: 'staged' }) });
const STUCK = result({
  outcome: 'rollback-failed',
  sha: PREVIOUS,
  failure: failure({ rollback: 'It died' }),
});
const LOST = null;

function reports(...ends: (HostResult | null)[]): HostReport[] {
  return ends.map((end, at) => ({
    label: `host-${at + 1}`,
    username: 'deploy',
    end:
      end === null
        ? {
            kind: 'trouble',
            trouble: { message: 'It was lost.', remedy: 'Look there.', output: [], goesOn: true },
          }
        : { kind: 'result', result: end },
  }));
}

const facts = (hosts: HostReport[], stopped: string | null): FleetFacts => ({
  hosts,
  stopped,
  mode: 'deploy',
  path: '~/shop',
  apps: [],
  ref: SHA,
});

test.each([
  [[DEPLOYED, DEPLOYED], 'deployed'],
  [[DEPLOYED, UNCHANGED], 'deployed'],
  [[UNCHANGED, UNCHANGED], 'unchanged'],
  [[BACK, BACK, FAILED], 'rolled-back'],
  [[FAILED, FAILED], 'failed'],
  // A mix is no rollback, and who was not heard of may run anything.
  [[DEPLOYED, BACK], 'failed'],
  [[DEPLOYED, LOST], 'failed'],
  [[BACK, LOST], 'failed'],
  [[BACK, STUCK, LOST], 'rollback-failed'],
  [[result({ failure: failure() }), DEPLOYED], 'failed'],
] as const)('the outcome of all: case %#', (ends, outcome) => {
  expect(fleetOutcome(reports(...ends))).toBe(outcome);
});

test.each([
  [[DEPLOYED, DEPLOYED], null, 'shop is live on both hosts at aaaaaaa'],
  [[UNCHANGED, UNCHANGED, UNCHANGED], null, 'shop on all 3 hosts is unchanged at aaaaaaa, healthy'],
  [
    [BACK, BACK],
    'host-2 failed in verifying',
    'shop on both hosts is back at bbbbbbb, because host-2 failed in verifying',
  ],
  [
    [FAILED, FAILED],
    'host-1 failed in staged',
    'shop was not deployed to both hosts, because host-1 failed in staged',
  ],
  [[DEPLOYED, LOST], 'host-2 was lost', 'shop was not deployed to both hosts, because host-2 was lost'],
] as const)('the headline: case %#', (ends, stopped, headline) => {
  expect(fleetHeadline(facts(reports(...ends), stopped))).toBe(headline);
});

test('a mix is named, host by host, and so is what nobody knows', () => {
  expect(mixSentence(reports(DEPLOYED, BACK, DEPLOYED, LOST))).toBe(
    'The hosts have different commits: aaaaaaa on host-1, host-3; bbbbbbb on host-2. Not known: host-4.',
  );
  expect(mixSentence(reports(DEPLOYED, DEPLOYED))).toBeNull();
});

test('outputs have an object for each host, and what all have alike', () => {
  const measured = (failed: number, downtimeMs: number): HostResult =>
    result({ requests: { sent: 100, failed, downtimeMs } });
  const outputs = outputsOfFleet(
    [
      { label: 'a', end: measured(1, 100) },
      { label: 'b', end: measured(2, 300) },
      { label: 'c', end: 'It was lost.' },
    ],
    'failed',
    5,
  );
  expect(outputs).toMatchObject({ outcome: 'failed', sha: '', 'failed-requests': '3', 'downtime-ms': '300' });
  expect(JSON.parse(outputs.hosts)).toMatchObject([
    { host: 'a', outcome: 'deployed', sha: SHA, failure: null },
    { host: 'b' },
    {
      host: 'c',
      outcome: 'failed',
      sha: null,
      instances: null,
      failure: { state: null, message: 'It was lost.' },
    },
  ]);
  expect(outputsOfFleet([{ label: 'a', end: DEPLOYED }], 'deployed', 5).sha).toBe(SHA);
});

test('the summary has a row a host, and what broke only of hosts that failed by themselves', () => {
  const followed = new Set(['host-1']);
  const broken = result({
    outcome: 'rolled-back',
    sha: PREVIOUS,
    failure: failure({ message: '<b>::error::It</b> crashed' }),
  });
  const summary = renderFleetSummary(
    {
      ...facts(reports(BACK, broken, LOST), 'host-2 failed in verifying'),
      commits: FACTS.commits,
      late: null,
      durationMs: 1,
      followed,
    },
    false,
  );
  expect(summary.match(/^\| host-\d \|/gm)).toHaveLength(3);
  expect(summary).toContain('| host-3 | not known |');
  expect(summary).toContain('#### host-2');
  expect(summary).not.toContain('#### host-1');
  expect(summary).toContain('Gave up, or went back, with the others: host-1.');
  expect(summary).toContain('`<b>::error::It</b>` crashed');
});
