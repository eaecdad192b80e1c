import { randomUUID } from 'node:crypto';
import { DeployFailure } from '../system/failure.ts';
import { DEPLOY_ID, type Instance } from './list.ts';
import type { Rpc } from './rpc.ts';

/** What PM2 gives a process when it starts it; a number of instances would have it make several, and number them anew. */
const NOT_COPIED = [
  ...['pm_id', 'instances', 'status', 'pm_uptime', 'created_at', 'unique_id', 'exit_code'],
  ...['axm_actions', 'axm_monitor', 'axm_options', 'axm_dynamic', 'vizion_running', 'versioning', 'version'],
  ...['node_version', 'prev_restart_delay', 'monit', '_tree_pids'],
];

/**
 * Has PM2 list an entry with all that it knows of this one: settings, variables, number, log files, restarts and the one
 * more that its start will be. It is stopped, and carries `deployId`. Gives its id.
 */
export async function prepareTwin(
  rpc: Rpc,
  { pmId, name }: Pick<Instance, 'pmId' | 'name'>,
  deployId: string,
  timeLimit: number,
): Promise<number> {
  const list = (await rpc.call('getMonitorData', [{}], timeLimit)) as { pm2_env?: Record<string, unknown> }[];
  const found = list.find(({ pm2_env }) => pm2_env?.pm_id === pmId)?.pm2_env;
  if (found === undefined || found.name !== name)
    throw new DeployFailure(`PM2 no longer lists '${name}' (pm2 id ${pmId}).`);
  const copy: Record<string, unknown> = { ...found };
  for (const field of NOT_COPIED) delete copy[field];
  const { unique_id: _id, ...env } = found.env as Record<string, unknown>;
  const answer = await rpc.call(
    'prepare',
    [
      {
        ...copy,
        env: { ...env, [DEPLOY_ID]: deployId },
        [DEPLOY_ID]: deployId,
        status: 'stopped',
        restart_time: Number(found.restart_time ?? 0) + 1,
        unstable_restarts: 0,
        // PM2 puts one into `env` alone, which a reload replaces.
        unique_id: randomUUID(),
      },
    ],
    timeLimit,
  );
  const id = (answer as { pm2_env?: { pm_id?: unknown } }[] | undefined)?.[0]?.pm2_env?.pm_id;
  if (typeof id !== 'number')
    throw new DeployFailure(`PM2 did not add an entry beside '${name}' (pm2 id ${pmId}).`);
  return id;
}
