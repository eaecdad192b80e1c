import http from 'node:http';
import { expect, test } from 'vitest';
import { freePort } from '../rig/free-port.ts';
import { startLoad } from '../rig/load.ts';
import { createSite } from '../rig/site.ts';

/** How an app is written, and its settings beside the usual ones. */
interface Written {
  settings?: Record<string, string | number | boolean | string[]>;
  /** Milliseconds until it listens. */
  boots?: number;
  isMute?: true;
  answersAtRoot?: number;
  /** Keeps its event streams open when PM2 tells it to end. */
  keepsStreams?: true;
}

/** What a deploy says of an app, and the app before and after somebody did what it says. */
interface Advice {
  says: string;
  before: Written;
  after: Written;
}

const USUAL = {
  exec_mode: 'cluster',
  instances: 2,
  wait_ready: true,
  listen_timeout: 20_000,
  kill_timeout: 1_600,
};
const FORK = { exec_mode: 'fork', instances: 1, wait_ready: false };

/** With nothing of ours around a reload, so that what is measured is PM2's work with these settings alone. */
const ON_SETTINGS: Record<string, Advice> = {
  forked: {
    says: `set "exec_mode: 'cluster', instances: 2"`,
    before: { settings: FORK },
    after: {},
  },
  launched: {
    says: `set "script: 'launched.js', exec_mode: 'cluster', instances: 2"`,
    before: { settings: { ...FORK, script: 'npm', args: 'run launched' } },
    after: {},
  },
  watched: {
    says: 'set "watch: false"',
    before: { settings: { watch: true, ignore_watch: ['node_modules', '.git'] } },
    after: { settings: { watch: false } },
  },
  mortal: {
    says: 'set "autorestart: true"',
    before: { settings: { autorestart: false } },
    after: { settings: { autorestart: true } },
  },
  misspelt: {
    says: "Did you mean 'instances'?",
    before: { settings: { instance: 2, instances: 1 } },
    after: {},
  },
  early: {
    says: 'set "wait_ready: true"',
    before: { settings: { wait_ready: false } },
    after: {},
  },
  mute: {
    says: 'or set "wait_ready: false"',
    before: { isMute: true, settings: { listen_timeout: 1_000 } },
    after: { isMute: true, settings: { wait_ready: false } },
  },
  hushed: {
    says: "Call process.send('ready') once it listens",
    before: { isMute: true, settings: { listen_timeout: 1_000 } },
    after: {},
  },
  hasty: {
    says: 'In this deploy PM2 gets more time. Set "listen_timeout: ',
    before: { boots: 1_200, settings: { listen_timeout: 1_000 } },
    after: { boots: 1_200 },
  },
  ailing: {
    says: 'Set `health-url` to a page that has to answer',
    before: { answersAtRoot: 500 },
    after: { answersAtRoot: 500 },
  },
};

/** What only a reload shows, without a canary before it. */
const ON_RELOADS: Record<string, Advice> = {
  late: {
    says: 'or set "listen_timeout: 10000"',
    before: { boots: 2_000, settings: { listen_timeout: 1_000 } },
    after: { boots: 2_000 },
  },
  streaming: {
    says: 'on SIGINT close the server and all open connections',
    before: { keepsStreams: true },
    after: {},
  },
};

function code(version: string, { boots = 0, isMute, answersAtRoot = 200, keepsStreams }: Written): string {
  return `const streams = new Set();
let closing = false;
const server = require('http').createServer((request, response) => {
  if (closing) response.setHeader('Connection', 'close');
  if (request.url === '/crash') process.exit(1);
  if (request.url === '/events') {
    streams.add(response);
    return response.write('data: x\\n\\n');
  }
  if (request.url === '/') response.statusCode = ${answersAtRoot};
  response.end('${version}');
});
setTimeout(() => server.listen(Number(process.env.PORT), () => ${isMute ? 'null' : "process.send?.('ready')"}), ${boots});
process.on('SIGINT', () => {
  closing = true;
  setTimeout(() => {
    server.close(() => process.exit(0));
    server.closeIdleConnections();
    ${keepsStreams ? '' : 'for (const stream of streams) stream.end();'}
  }, 200);
});
`;
}

/** Opens an event stream. Says whether it was cut off. */
async function openStream(port: number): Promise<{ wasCut(): Promise<boolean> }> {
  const request = http.get(`http://127.0.0.1:${port}/events`, { agent: false });
  const response = await new Promise<http.IncomingMessage>((resolve, reject) => {
    request.once('response', resolve).once('error', reject);
  });
  const closed = new Promise((resolve) =>
    response
      .once('error', () => {})
      .once('close', resolve)
      .resume(),
  );
  return { wasCut: () => closed.then(() => !response.complete) };
}

test.each([
  ['settings', ON_SETTINGS, { drain: 'auto', canary: 'auto' }],
  ['what a reload showed', ON_RELOADS, { drain: 'off', canary: 'off' }],
])(
  'each advice on %s is green once it is taken, silent, and loses no more',
  { timeout: 600_000 },
  async (_, advised, inputs) => {
    await using site = await createSite();
    const names = Object.keys(advised);
    const ports: Record<string, number> = {};
    for (const name of names) ports[name] = await freePort();
    const commit = (version: string, when: 'before' | 'after'): string => {
      const written = Object.entries(advised).map(([name, advice]) => [name, advice[when]] as const);
      const apps = written.map(([name, { settings }]) => ({
        name,
        script: `${name}.js`,
        ...USUAL,
        ...settings,
        env: { PORT: ports[name] },
      }));
      return site.repository.commit({
        '.gitignore': 'node_modules\n',
        'ecosystem.config.js': `module.exports = ${JSON.stringify({ apps })};\n`,
        'package.json': JSON.stringify({ scripts: { launched: 'node launched.js' } }),
        ...Object.fromEntries(written.map(([name, how]) => [`${name}.js`, code(version, how)])),
      });
    };
    const deploy = async (version: string, when: 'before' | 'after') => {
      const page =
        when === 'after' && 'ailing' in advised ? { 'health-url': `:${ports.ailing}/version` } : {};
      const run = await site.deploy({
        ref: commit(version, when),
        'build-command': 'none',
        handover: 'off',
        'health-timeout': '90s',
        ...inputs,
        ...page,
      });
      expect(run, run.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed' } });
      return run.stdout;
    };
    /** Deploys under load. Gives the log, and the requests that each app lost. */
    const measure = async (version: string, when: 'before' | 'after') => {
      const url = (name: string): string => `http://127.0.0.1:${ports[name]}/version`;
      const loads = names.map((name) => startLoad({ url: url(name), connections: 2, fresh: 1, pause: 30 }));
      await Promise.all(loads.map((load) => load.sees(String(Number(version) - 1), 20_000)));
      const stream = ports.streaming === undefined ? null : await openStream(ports.streaming);
      const log = await deploy(version, when);
      await Promise.all(loads.map((load) => load.sees(version, 20_000)));
      const lost: Record<string, number> = {};
      // What is ours loses none. PM2 alone may lose one that has just come to an old instance: checkout.long.test.ts.
      const ofPm2 = inputs.drain === 'off' && when === 'after' ? 1 : 0;
      for (const [at, name] of names.entries()) {
        const { failed = 0 } = (await loads[at]?.stop()) ?? {};
        lost[name] = Math.max(0, failed - ofPm2);
      }
      if (await stream?.wasCut()) lost.streaming = (lost.streaming ?? 0) + 1;
      return { log, lost };
    };

    await deploy('1', 'before');
    const before = await measure('2', 'before');
    for (const [name, { says }] of Object.entries(advised)) {
      const warnings = before.log.split('\n').filter((line) => line.includes('::warning'));
      const own = warnings.filter(
        (line) => line.includes(`'${name}'`) || line.includes(`'${name} (canary)'`),
      );
      expect(own.join('\n'), before.log).toContain(says);
    }
    // What the settings are turned into is an app that runs already, and may have to end first.
    await deploy('3', 'after');
    const after = await measure('4', 'after');
    console.log(`lost before ${JSON.stringify(before.lost)}, after ${JSON.stringify(after.lost)}`);
    expect(after.log).not.toContain('::warning');
    for (const name of names) expect(after.lost[name], name).toBeLessThanOrEqual(before.lost[name] ?? 0);
    if (advised !== ON_SETTINGS) return;

    await fetch(`http://127.0.0.1:${ports.mortal}/crash`).catch(() => {});
    await expect
      .poll(async () => (await site.host.instances('mortal')).map(({ status }) => status))
      .toEqual(['online', 'online']);
  },
);
