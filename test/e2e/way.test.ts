import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, expect, test } from 'vitest';
import type { ActionRun } from '../rig/action.ts';
import { freePort } from '../rig/free-port.ts';
import { createHost } from '../rig/host.ts';
import { createSite } from '../rig/site.ts';
import { type SshHost, startSshd } from '../rig/sshd.ts';

const ADDRESSES = ['127.0.0.5', '127.0.0.6', '127.0.0.7'] as const;
const cleanUp: Array<() => Promise<void> | void> = [];
afterEach(async () => {
  for (const step of cleanUp.splice(0).reverse()) await step();
});

/** All that leaves the action, but for what it was given. */
function shown(run: ActionRun): string {
  return [
    run.stdout,
    run.stderr,
    run.summary,
    JSON.stringify(run.outputs),
    JSON.stringify(run.exported),
  ].join('\n');
}

test('two hops, one session a connection and a chatty banner: it deploys, or says who was wrong, and no address is shown', async () => {
  const banner = path.join(mkdtempSync(path.join(tmpdir(), 'banner-')), 'banner');
  writeFileSync(
    banner,
    `::error::Keep out\n##[set-output name=outcome]x\n${'All you do is recorded.\n'.repeat(50)}`,
  );
  cleanUp.push(() => rmSync(path.dirname(banner), { recursive: true }));
  const hop = async (listen: string, alsoTakes = ''): Promise<SshHost> => {
    const sshd = await startSshd({ home: tmpdir(), listen, alsoTakes, config: [`Banner ${banner}`] });
    cleanUp.push(() => sshd.stop());
    return sshd;
  };
  const outer = await hop(ADDRESSES[0]);
  const inner = await hop(ADDRESSES[1], outer.publicKey);
  const host = await createHost({
    sshd: { listen: ADDRESSES[2], config: ['MaxSessions 1', 'MaxStartups 2', `Banner ${banner}`] },
  });
  cleanUp.push(() => host.stop());
  const { username } = outer;
  const inputs = {
    host: `${host.ssh.host}:${host.ssh.port}`,
    port: '22',
    'known-hosts': '',
    'proxy-jump': `${username}@${outer.host}:${outer.port}, inner=${inner.host}:${inner.port}`,
    'proxy-key': outer.key,
    fingerprint: `host-1=${host.ssh.fingerprint}, hop-1=${outer.fingerprint}\n${inner.host}=${inner.fingerprint}`,
    'build-command': '',
    'connect-retries': '1',
  };
  const site = await createSite(host, { inputs });
  cleanUp.push(() => site.stop());
  const ref = site.commit({ version: '1' });
  const runs: ActionRun[] = [];
  const run = async (changes: Record<string, string> = {}): Promise<ActionRun> => {
    const ended = await site.deploy({ ref, ...changes });
    runs.push(ended);
    return ended;
  };

  const deployed = await run();
  expect(deployed, deployed.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed', sha: ref } });
  expect(deployed.stdout).not.toContain('recorded');
  expect(await site.served()).toBe('1');

  const impostor = await run({
    fingerprint: inputs.fingerprint.replace(inner.fingerprint, outer.fingerprint),
  });
  expect(impostor.stdout).toContain('inner is not the host that fingerprint pins');
  const stranger = await run({ 'proxy-key': host.ssh.key, password: 'correct horse' });
  expect(stranger.stdout).toContain('hop-1 refused to log in');
  const closed = await run({ host: `${host.ssh.host}:${await freePort()}` });
  expect(closed.stdout).toContain('host-1 refused the connection from inner');
  expect(closed.stdout).toContain('Retry 1 of 1 in 1 s.');
  const gone = await run({
    'proxy-jump': `${outer.host}:${await freePort()}`,
    fingerprint: `hop-1=${outer.fingerprint}`,
  });
  expect(gone.stdout).toContain('hop-1 refused the connection to port');

  for (const each of runs) {
    for (const address of ADDRESSES) expect(shown(each)).not.toContain(address);
    expect(each.commands.filter(({ data }) => data.includes('Keep out'))).toEqual([]);
  }
  expect(runs.map(({ code }) => code)).toEqual([0, 1, 1, 1, 1]);
});
