import { startLoad } from '../rig/load.ts';
import { type CellResult, look } from './cell.ts';
import { deployNext } from './next-deploy.ts';
import type { Scenario } from './scenarios.ts';
import { type FaultSite, releaseAll } from './site.ts';

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
    const next = await deployNext(faultSite, faultSite.commitNext(), load);
    return {
      outcome,
      said: errors.join(' '),
      ...found,
      ...next,
      problems: [...problems, ...next.problems],
      durationMs: performance.now() - started,
    };
  } finally {
    releaseAll(faultSite);
    faultSite.disk?.free();
    await load.stop();
  }
}
