import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import path from 'node:path';
import type { ActionRun } from '../rig/action.ts';
import { killAllOf } from '../rig/leftovers.ts';
import { ROOT } from '../rig/places.ts';
import { poll } from '../rig/poll.ts';
import { reached } from './cell.ts';
import { startsOf } from './host-state.ts';
import { type FaultSite, HOLDING, holdAt } from './site.ts';

/** Something that breaks around a deploy, and not at one moment of it. */
export interface Scenario {
  name: string;
  /** How the deploy ends that meets it. */
  outcome: 'deployed' | 'failed' | 'rolled-back' | 'cut off';
  /** What its error says, or its log. */
  says: RegExp;
  disk?: true;
  /** The app is down for a while, whatever a deploy does. */
  costs?: true;
  /** Breaks something and deploys; resolves with that deploy's run, once all is mended. */
  meet(site: FaultSite): Promise<ActionRun>;
}

export const SCENARIOS: readonly Scenario[] = [
  {
    name: 'the registry is gone in mid-install',
    outcome: 'failed',
    says: /The install command 'npm ci.*' ended with exit code/,
    async meet(site) {
      const files = site.site.files({ version: 'unreachable' });
      await using registry = await halfServer('HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nhalf');
      const lock = JSON.parse(files['package-lock.json'] ?? '');
      const resolved = `http://127.0.0.1:${registry.port}/dep/-/dep-1.0.0.tgz`;
      lock.packages[''].dependencies = { dep: '1.0.0' };
      lock.packages['node_modules/dep'] = {
        version: '1.0.0',
        resolved,
        integrity: `sha512-${'A'.repeat(86)}==`,
      };
      const manifest = { ...JSON.parse(files['package.json'] ?? ''), dependencies: { dep: '1.0.0' } };
      const sha = site.site.commit({
        files: {
          ...files,
          'package.json': JSON.stringify(manifest),
          'package-lock.json': JSON.stringify(lock),
        },
      });
      return deploy(site, sha, { 'install-command': 'npm ci --fetch-retries=0' });
    },
  },
  {
    name: 'the git server is gone in mid-fetch',
    outcome: 'failed',
    says: /cannot reach the git server/,
    async meet(site) {
      await using server = await halfServer('SSH-2.0-half\r\n');
      const repository = `ssh://git@127.0.0.1:${server.port}/shop.git`;
      return await deploy(site, site.commitNext().sha, { repository });
    },
  },
  {
    name: 'the git server is silent',
    outcome: 'failed',
    says: /Asking the repository: git was stopped after 4 s .* check the server's internet/s,
    async meet(site) {
      await using server = await halfServer(null);
      const repository = `ssh://git@127.0.0.1:${server.port}/shop.git`;
      return await deploy(site, site.commitNext().sha, { repository, 'command-timeout': '4s' });
    },
  },
  {
    name: 'the disk is full already',
    outcome: 'failed',
    says: /ENOSPC|disk .* is full|are free on the disk/,
    disk: true,
    async meet(site) {
      site.disk?.fill();
      const run = await deploy(site, site.commitNext().sha);
      site.disk?.free();
      return run;
    },
  },
  {
    name: 'the directory of the app is read-only',
    outcome: 'failed',
    says: /read-only/,
    disk: true,
    async meet(site) {
      const { live } = site.site;
      execFileSync('mount', ['--bind', live, live]);
      try {
        execFileSync('mount', ['-o', 'remount,bind,ro', live]);
        return await deploy(site, site.commitNext().sha);
      } finally {
        // The host program may have it open for a moment yet, to tidy up.
        execFileSync('umount', ['--lazy', live]);
      }
    },
  },
  {
    name: 'the server is rebooted in mid-reload',
    outcome: 'cut off',
    says: /./,
    costs: true,
    meet: (site) => reboot(site, 'activating: reload', true),
  },
  {
    name: 'the server is rebooted in mid-swap',
    outcome: 'cut off',
    says: /./,
    costs: true,
    meet: (site) => reboot(site, 'activating: in the swap', false),
  },
  {
    name: 'git is killed by a reboot, and its index.lock stays',
    outcome: 'cut off',
    says: /./,
    costs: true,
    async meet(site) {
      const run = await reboot(site, 'activating: index', false);
      // As git leaves it that was killed before it had renamed it.
      writeFileSync(path.join(site.site.live, '.git/index.lock'), '');
      return run;
    },
  },
  {
    name: "the server's clock jumps a day back, then a day ahead",
    outcome: 'deployed',
    says: /committed/,
    meet: (site) =>
      deploy(site, site.commitNext().sha, {
        'shell-init': 'export NODE_OPTIONS="--require=$HOME/.faults/jumping-clock.cjs"',
      }),
  },
  {
    name: 'a version that crashes again and again',
    outcome: 'rolled-back',
    says: /restarted|crash|not healthy|ended/i,
    meet: (site) =>
      deploy(site, site.commitNext('crashes after 3 s').sha, { 'stable-for': '6s', canary: 'off' }),
  },
  {
    name: 'two deploys at once',
    outcome: 'deployed',
    says: /committed/,
    async meet(site) {
      const first = deploy(site, site.commitNext().sha);
      const second = deploy(site, site.commitNext().sha);
      const [one, other] = await Promise.all([first, second]);
      return one.outputs.outcome === 'deployed' ? other : one;
    },
  },
  {
    name: 'PM2 was upgraded, and its old daemon still runs',
    outcome: 'deployed',
    says: /PM2's daemon runs version 5\.\d+\.\d+, its command is 7\./,
    costs: true,
    async meet(site) {
      const { host } = site.site;
      await host.pm2(['kill']);
      installPm2(site, 'test/host-tools/node_modules', 'pm2-5');
      await host.pm2(['resurrect']);
      installPm2(site, 'node_modules', 'pm2');
      return deploy(site, site.commitNext().sha);
    },
  },
];

function deploy(site: FaultSite, ref: string, changes: Record<string, string> = {}): Promise<ActionRun> {
  return site.site.deploy({ ...changes, ref });
}

/** Everything on the server ends at once at that moment; then PM2 starts what it has saved, as at boot. */
async function reboot(site: FaultSite, moment: string, inReload: boolean): Promise<ActionRun> {
  const { host } = site.site;
  holdAt(site, moment);
  const starts = startsOf(site.site, moment);
  const action = site.site.start({ 'shell-init': HOLDING, ref: site.commitNext().sha });
  await reached(site, action.done);
  if (inReload) await poll('a new worker', 60_000, () => startsOf(site.site, moment) > starts);
  // Before the server is back, the runner has given up.
  action.process.kill('SIGKILL');
  const run = await action.done;
  await killAllOf(host.directory);
  await host.pm2(['resurrect']);
  return run;
}

/** Puts a copy of PM2 where the server's own lies, as an upgrade in place does, with its dependencies beside it. */
function installPm2({ site }: FaultSite, from: string, name: string): void {
  const root = path.join(site.host.directory, 'lib/node_modules');
  const source = path.join(ROOT, from);
  rmSync(root, { recursive: true, force: true });
  mkdirSync(root, { recursive: true });
  cpSync(path.join(source, name), path.join(root, 'pm2'), { recursive: true });
  for (const dependency of readdirSync(source).filter((one) => one !== name && !one.startsWith('.')))
    symlinkSync(path.join(source, dependency), path.join(root, dependency));
  const bin = path.join(site.host.directory, 'bin/pm2');
  rmSync(bin);
  symlinkSync(path.join(root, 'pm2/bin/pm2'), bin);
}

/** Answers each request with half of something and resets the connection, or never answers. */
async function halfServer(answer: string | null): Promise<{ port: number } & AsyncDisposable> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    if (answer !== null) socket.once('data', () => socket.write(answer, () => socket.resetAndDestroy()));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
