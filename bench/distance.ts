import type { Host } from '../test/rig/host.ts';
import { createSite } from '../test/rig/site.ts';
import { openClient } from './client.ts';
import { startFarWay } from './far.ts';
import { median } from './median.ts';

/** Milliseconds in one direction. */
const AWAY = 75;
const ROUNDS = 3;

export interface Distance {
  what: string;
  /** What the distance adds, in round trips. */
  trips: number;
  /** Bytes that the server is sent, and that it sends. */
  up: number;
  down: number;
}

/** What a server that is far away costs: deploys with few and with many steps, and `ssh host true`, each near and far. */
export async function measureDistance(host: Host): Promise<Distance[]> {
  const client = openClient(host);
  const way = await startFarWay(host.ssh.port, AWAY);
  await using site = await createSite(host, { app: { name: 'far' } });
  let version = 0;
  const deploy = async (port: number, steps: Record<string, string>): Promise<number> => {
    version += 1;
    const known = host.ssh.knownHosts.replace(`:${host.ssh.port} `, `:${port} `);
    const ref = site.commit({ version: `v${version}` });
    const reached = { port: String(port), 'known-hosts': known };
    const run = await site.deploy({ 'stable-for': '0s', canary: 'off', ...steps, ...reached, ref });
    if (run.outputs.outcome !== 'deployed') throw new Error(`the deploy failed:\n${run.stdout}`);
    return run.durationMs;
  };
  const many = {
    'install-command': 'echo install',
    'build-command': 'for line in $(seq 200); do echo $line; done; node build.js',
    'migrate-command': 'echo migrate',
    'before-reload-command': 'echo before',
    'after-reload-command': 'echo after',
    'health-url': '/version',
  };
  const compare = async (what: string, act: (port: number) => Promise<number>): Promise<Distance> => {
    const added: number[] = [];
    let bytes = { up: 0, down: 0 };
    for (let round = 0; round < ROUNDS; round++) {
      const near = await act(host.ssh.port);
      const before = way.bytes();
      added.push((await act(way.port)) - near);
      const after = way.bytes();
      bytes = { up: after.up - before.up, down: after.down - before.down };
    }
    return { what, trips: median(added) / (2 * AWAY), ...bytes };
  };
  try {
    await deploy(host.ssh.port, many);
    return [
      await compare('a deploy with many steps', (port) => deploy(port, many)),
      await compare('a deploy with a build alone', (port) => deploy(port, {})),
      await compare('`ssh host true`', (port) => client.run('true', port)),
    ];
  } finally {
    way.stop();
    client.remove();
  }
}
