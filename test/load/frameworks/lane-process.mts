// A lane of `npm run bench:frameworks` in a process of its own. It is sent what to run, once, and tells each result.
import { once } from 'node:events';
import type { Runtime } from '../../rig/pm2.ts';
import { FRAMEWORKS } from './apps.ts';
import { type Packages, type Row, startLane } from './lane.ts';

export interface LaneOrder {
  on: Runtime;
  packages: Packages;
  /** The frameworks; those that need a newer Node are left out. */
  names: string[];
}

export type LaneNews =
  | { kind: 'measured'; rows: Row[] }
  | { kind: 'not run'; framework: string; why: string };

const tell = (news: LaneNews): unknown => process.send?.(news);

const [{ on, packages, names }] = (await once(process, 'message')) as [LaneOrder];
{
  await using lane = await startLane(on, packages);
  for (const one of FRAMEWORKS.filter(
    ({ name, oldestNode }) => names.includes(name) && oldestNode <= lane.node,
  )) {
    try {
      tell({ kind: 'measured', rows: await lane.run(one) });
    } catch (error) {
      tell({ kind: 'not run', framework: one.name, why: (error as Error).message });
    }
  }
}
process.disconnect?.();
