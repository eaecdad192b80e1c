import { startLoad } from '../rig/load.ts';
import { type CellResult, counted, look, nextProblems, reconciledIn } from './cell.ts';
import { complaints, othersOf } from './host-state.ts';
import { poll } from './poll.ts';
import type { Scenario } from './scenarios.ts';
import { type FaultSite, releaseAll } from './site.ts';

const QUIET_WITHIN = 90_000;

/** Lets a deploy meet what breaks, under load, deploys again, and looks at all that must hold. */
export async function runScenario(faultSite: FaultSite, scenario: Scenario): Promise<CellResult> {
  const started = performance.now();
  const { site } = faultSite;
  const old = faultSite.live;
  const problems: string[] = [];
  const load = startLoad({ url: `http://127.0.0.1:${site.port}/version`, connections: 6, pause: 25 });
  try {
    const run = await scenario.meet(faultSite);
    releaseAll(faultSite);
    const outcome = (run.outputs.outcome ?? 'cut off') as CellResult['outcome'];
    const errors = run.commands.filter(({ name }) => name === 'error').map(({ data }) => data);
    if (outcome !== scenario.outcome) problems.push(`it ended as ${outcome}:\n${run.stdout}`);
    if (!scenario.says.test(`${errors.join('\n')}\n${run.stdout}`))
      problems.push(`it does not say ${scenario.says}:\n${run.stdout}`);
    const found = await look(faultSite, old, old);
    if (outcome !== 'deployed' && scenario.costs !== true && found.served.join() !== 'new')
      problems.push(`${outcome}, and ${found.served.join(' and ')} serve`);
    const requests = counted(load);

    const wanted = faultSite.commitNext();
    const next = await site.deploy({ ...faultSite.inputs, ref: wanted.sha });
    problems.push(...nextProblems(next));
    faultSite.live = wanted;
    await poll('quiet after the next deploy', QUIET_WITHIN, () => othersOf(site).length === 0).catch(
      () => {},
    );
    problems.push(...(await complaints(faultSite, wanted.version, wanted.sha)));
    const whole = counted(load);
    return {
      outcome,
      requests,
      nextRequests: { sent: whole.sent - requests.sent, failed: whole.failed - requests.failed },
      said: errors.join(' '),
      failures: load.result().failures,
      ...found,
      reconciled: reconciledIn(next),
      next: next.outputs.outcome ?? 'none',
      problems,
      durationMs: performance.now() - started,
    };
  } finally {
    releaseAll(faultSite);
    faultSite.disk?.free();
    await load.stop();
  }
}
