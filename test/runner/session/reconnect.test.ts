import { existsSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { Event, HostResult, Plan } from '../../../src/protocol.ts';
import type { Link } from '../../../src/runner/connection/connect.ts';
import { connect, type Hop } from '../../../src/runner/connection/connect.ts';
import type { Connection } from '../../../src/runner/connection/ssh.ts';
import { readPrivateKey } from '../../../src/runner/keys/keys.ts';
import { type DeployOptions, deployOnHost, followUp } from '../../../src/runner/session/deploying.ts';
import type { HostLog } from '../../../src/runner/session/following.ts';
import { SessionError } from '../../../src/runner/session/session-error.ts';
import { packedProgram } from '../../rig/host-program.ts';
import { killAllOf } from '../../rig/leftovers.ts';
import { somePlan } from '../../rig/plan.ts';
import { type Relay, startRelay } from '../../rig/relay.ts';
import { type SshHost, startSshd } from '../../rig/sshd.ts';

const OLDEST = resolve(import.meta.dirname, '../../host-tools/node_modules/node-16/bin/node');
const cleanUp: Array<() => Promise<void> | void> = [];
afterEach(async () => {
  for (const step of cleanUp.splice(0).reverse()) await step();
});

/** A host with a stand-in for the host program, behind a network that can fail. */
interface Place {
  home: string;
  relay: Relay;
  link: Link;
  plan: Plan;
  /** Lines that were said of the connection. */
  said: string[];
  events: Event[];
  deploy(
    run: string,
    options?: Partial<DeployOptions> & { onEvent?: HostLog['event'] },
  ): Promise<HostResult | SessionError>;
  /** Connects by way of a hop on this side of the network. */
  through(hop: SshHost): Link['connect'];
  /** What lies in the run directory, or null. */
  read(name: string): string | null;
}

async function standInHost(node = process.execPath): Promise<Place> {
  const home = realpathSync(mkdtempSync(join(tmpdir(), 'cut-')));
  const sshd = await startSshd({
    home,
    env: { PATH: `${dirname(node)}:/usr/local/bin:/usr/bin:/bin` },
  });
  const relay = await startRelay(sshd.port);
  cleanUp.push(async () => {
    await relay.stop();
    await sshd.stop();
    await killAllOf(home);
    rmSync(home, { recursive: true, force: true });
  });
  const link: Link = { connect: (timeout) => reach(sshd, relay, timeout), pauses: Array(8).fill(40) };
  const plan = somePlan();
  const said: string[] = [];
  const events: Event[] = [];
  const read: Place['read'] = (name) => {
    const file = join(home, '.local/state/pm2-ssh-deploy/runs', plan.deployId, name);
    return existsSync(file) ? readFileSync(file, 'utf8') : null;
  };
  return {
    home,
    relay,
    link,
    plan,
    said,
    events,
    read,
    through: (hop) => (timeout) => reach(sshd, relay, timeout, hop),
    async deploy(run, options = {}) {
      const connection = options.connection ?? (await reach(sshd, relay, 20_000));
      cleanUp.push(() => connection.close());
      return deployOnHost({
        connection,
        program: await packedProgram(run),
        plan,
        shellInit: null,
        link,
        log: {
          say: (text) => void said.push(text),
          warn: (text) => void said.push(text),
          event: options.onEvent ?? ((event) => void events.push(event)),
        },
        mayGo: async () => {},
        cancelled: new AbortController().signal,
        ...options,
      }).catch(sessionError);
    },
  };
}

function reach(sshd: SshHost, relay: Relay, timeout: number, hop?: SshHost): Promise<Connection> {
  const access = (host: SshHost, label: string): Hop => ({
    ...host,
    label,
    shownHost: null,
    key: readPrivateKey(host.key, null),
    agent: null,
    hostKey: { kind: 'fingerprints', list: [host.fingerprint] },
  });
  return connect({
    ...access(sshd, 'host-1'),
    port: relay.port,
    password: null,
    hops: hop === undefined ? [] : [access(hop, 'hop-1')],
    timeout,
  });
}

const SILENT: HostLog = { say: () => {}, warn: () => {}, event: () => {} };

function sessionError(error: unknown): SessionError {
  if (error instanceof SessionError) return error;
  throw error;
}

const later = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** The stand-in goes on as soon as that file is in its home. */
const until = (name: string): string =>
  `while (!standInFs.existsSync(process.env.HOME + '/${name}')) await new Promise((r) => setTimeout(r, 5));`;
const END = `emit({ type: 'end', result: result('deployed') });`;

describe('a link that is lost', () => {
  it('at random moments, many times: no event is lost or shown twice, and go arrives', async () => {
    const { home, deploy, relay, events, said, read, link } = await standInHost();
    const cuts = 25;
    const cutting = (async () => {
      await expect.poll(() => events.length, { interval: 5 }).toBeGreaterThan(0);
      for (let made = 0; made < cuts; ) {
        // In the handshake, in the bootstrap, among the events: wherever it happens to be.
        await later(Math.random() * 500);
        made += relay.cut();
      }
      writeFileSync(join(home, 'enough'), '');
    })();
    const result = await deploy(
      `for (let i = 0; !standInFs.existsSync(process.env.HOME + '/enough') || i < 1000; i++) {
         emit({ type: 'output', from: 'build', text: i + ' ż'.repeat(i % 300) });
         if (i === 300) { emit({ type: 'state', state: 'prepared', atMs: i }); await heard('go'); }
         if (i % 4 === 0) await new Promise((r) => setTimeout(r, 4));
       }
       ${END}`,
      // So many that chance does not end it.
      { link: { ...link, pauses: Array(100).fill(30) } },
    );
    await cutting;
    expect(result).toMatchObject({ outcome: 'deployed' });
    expect(said.length).toBeGreaterThan(5);
    const written = (read('events.ndjson') ?? '').split('\n').filter(Boolean);
    expect(written.length).toBeGreaterThan(1_000);
    // The last one is made anew, field by field, as it comes in.
    expect(events).toEqual(written.map((line) => JSON.parse(line)));
  });

  it('without a word of it is found out within 30 s, and the deploy goes on over another one', async () => {
    const [direct, behind] = await Promise.all([standInHost(), standInHost()]);
    const hop = await startSshd({ home: tmpdir() });
    cleanUp.push(() => hop.stop());
    const noticed = async (
      { home, deploy, relay, events, said, read }: Place,
      link?: Link,
    ): Promise<void> => {
      const done = deploy(
        `emit({ type: 'state', state: 'staged', atMs: 1 }); ${until('on')}
         emit({ type: 'state', state: 'prepared', atMs: 2 }); await heard('go'); ${END}`,
        link === undefined ? {} : { link, connection: await link.connect(20_000) },
      );
      await expect.poll(() => events.length).toBe(1);
      relay.swallow();
      relay.heal();
      const swallowed = performance.now();
      writeFileSync(join(home, 'on'), '');
      await expect.poll(() => said.length, { timeout: 40_000, interval: 50 }).toBe(1);
      expect(performance.now() - swallowed).toBeLessThan(30_000);
      expect(await done).toMatchObject({ outcome: 'deployed' });
      expect(said[0]).toMatch(/^The connection to host-1 was lost \(.*\), after it had entered staged\./);
      expect(read('control.ndjson')).toContain('"go"');
    };
    // The same for a host that dies behind a hop that lives.
    await Promise.all([noticed(direct), noticed(behind, { ...behind.link, connect: behind.through(hop) })]);
  }, 90_000);

  it('between prepared and go: the go that was lost is said again', async () => {
    const { deploy, relay, read } = await standInHost();
    const result = await deploy(
      `emit({ type: 'state', state: 'prepared', atMs: 2 }); await heard('go'); ${END}`,
      // Within the very event that the go answers.
      { onEvent: (event) => void (event.type === 'state' && relay.cut()) },
    );
    expect(result).toMatchObject({ outcome: 'deployed' });
    expect(read('control.ndjson')).toContain('"go"');
  });

  it('while nobody has decided yet: the go is told to the session that lasts until then', async () => {
    const { deploy, relay, said, read } = await standInHost();
    const asked: number[] = [];
    const result = await deploy(
      `emit({ type: 'state', state: 'prepared', atMs: 2 }); await heard('go'); ${END}`,
      {
        mayGo: async () => {
          asked.push(said.length);
          relay.cut();
          await expect.poll(() => said.length, { interval: 5 }).toBe(1);
          await later(200);
        },
      },
    );
    expect(result).toMatchObject({ outcome: 'deployed' });
    expect(asked).toEqual([0]);
    expect(read('control.ndjson')?.match(/"go"/g)).toHaveLength(1);
  });

  it('for good: says where the host stood, what it does alone, and where to look', async () => {
    const { deploy, relay, plan, said } = await standInHost();
    const result = await deploy(`emit({ type: 'state', state: 'verifying', atMs: 1 }); ${until('never')}`, {
      onEvent: () => void relay.stop(),
    });
    expect(result).toBeInstanceOf(SessionError);
    expect(result).toMatchObject({
      goesOn: true,
      message: expect.stringMatching(
        /after it had entered verifying\. 8 more tries to connect did not help: host-1 .*refused the connection.*finishes the deploy alone/,
      ),
      remedy: expect.stringContaining(`runs/${plan.deployId}/events.ndjson`),
    });
    expect(said).toHaveLength(1);
  });

  it('and comes back with another host key: no second try, and nothing is sent', async () => {
    const { deploy, relay, link } = await standInHost();
    let tries = 0;
    const other = await startSshd({ home: tmpdir() });
    cleanUp.push(() => other.stop());
    const result = await deploy(`emit({ type: 'state', state: 'staged', atMs: 1 }); ${until('never')}`, {
      onEvent: () => void relay.cut(),
      link: {
        ...link,
        connect: (timeout) => {
          tries += 1;
          return connect({
            ...other,
            label: 'host-1',
            shownHost: null,
            key: readPrivateKey(other.key, null),
            password: null,
            agent: null,
            hostKey: { kind: 'fingerprints', list: [`SHA256:${'A'.repeat(43)}`] },
            timeout,
          });
        },
      },
    });
    expect(result).toMatchObject({ goesOn: true, message: expect.stringMatching(/fingerprint|host key/i) });
    expect(tries).toBe(1);
  });

  it('while the program dies: the next session tells of it', async () => {
    const { deploy, relay, events, home } = await standInHost();
    const done = deploy(
      `emit({ type: 'state', state: 'staged', atMs: 1 }); ${until('on')} console.error('last words'); process.exit(3);`,
      {
        onEvent: (event) => {
          events.push(event);
          writeFileSync(join(home, 'on'), '');
          relay.cut();
        },
      },
    );
    expect(await done).toMatchObject({
      goesOn: false,
      message: expect.stringContaining('ended without a result, after it had entered staged'),
      output: ['last words'],
    });
    expect(events).toHaveLength(1);
  });
});

describe('following up, after the runner is gone', () => {
  const followed = (place: Place, onEvent: (event: Event) => void = () => {}): Promise<HostResult | null> =>
    followUp({
      label: 'host-1',
      plan: place.plan,
      link: place.link,
      shellInit: null,
      reason: 'the job was cancelled',
      within: 20_000,
      log: { say: () => {}, warn: () => {}, event: onEvent },
    });

  it.each([
    ['this Node', process.execPath],
    ['the oldest Node', OLDEST],
  ])('a deploy that never began: says so, and refuses it for good, in %s', async (_, node) => {
    const place = await standInHost(node);
    expect(await followed(place)).toBeNull();
    expect(place.read('control.ndjson')).toBe('{"type":"cancel","reason":"the job was cancelled"}\n');
    const result = await place.deploy(END);
    expect(result).toMatchObject({
      goesOn: false,
      message: expect.stringContaining('a deploy with this id was cancelled before it began'),
    });
    expect(place.read('host.js')).toBeNull();
    expect(place.events).toEqual([]);
  });

  it('one that is under way: the cancel comes first, and its events follow to their end', async () => {
    const place = await standInHost();
    const first = place.deploy(
      `emit({ type: 'state', state: 'prepared', atMs: 1 }); await heard('cancel'); emit({ type: 'end', result: result('failed') });`,
    );
    await expect.poll(() => place.events.length).toBe(1);
    const seen: Event[] = [];
    expect(await followed(place, (event) => void seen.push(event))).toMatchObject({ outcome: 'failed' });
    expect(seen).toMatchObject([{ state: 'prepared' }, { type: 'end' }]);
    // Whoever still follows hears the end as well.
    expect(await first).toMatchObject({ outcome: 'failed' });
  });

  it('one that has ended already: tells how', async () => {
    const place = await standInHost();
    expect(await place.deploy(END)).toMatchObject({ outcome: 'deployed' });
    expect(await followed(place)).toMatchObject({ outcome: 'deployed' });
    expect(place.read('control.ndjson')).toContain('"cancel"');
  });

  it('one that does not end in time: says where it stands', async () => {
    const place = await standInHost();
    const leaving = new AbortController();
    const first = place.deploy(`emit({ type: 'state', state: 'verifying', atMs: 1 }); ${until('never')}`, {
      cancelled: leaving.signal,
    });
    await expect.poll(() => place.events.length).toBe(1);
    const late = followUp({
      label: 'host-1',
      plan: place.plan,
      link: place.link,
      shellInit: null,
      reason: 'the job was cancelled',
      within: 2_500,
      log: SILENT,
    }).catch(sessionError);
    leaving.abort('the job was cancelled');
    const started = performance.now();
    expect(await late).toMatchObject({
      goesOn: true,
      message:
        'The deploy on host-1 did not end within 2.5 s. It had entered verifying. From activating on host-1 goes on alone, and ends verified or rolled back.',
    });
    expect(await first).toMatchObject({
      goesOn: true,
      message: expect.stringMatching(
        /^The job was cancelled, and the deploy on host-1 did not end within 4.5 s/,
      ),
    });
    expect(performance.now() - started).toBeLessThan(6_000);
  });
});
