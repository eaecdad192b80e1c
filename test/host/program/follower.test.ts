import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { followerProgram, hostProgram } from '../../rig/host-program.ts';
import { killAllOf } from '../../rig/leftovers.ts';

const OLDEST = resolve(import.meta.dirname, '../../host-tools/node_modules/node-16/bin/node');
const NONCE = '0123456789abcdef0123456789abcdef';
const home = mkdtempSync(join(tmpdir(), 'follow-'));
let runs = 0;

afterEach(() => killAllOf(home));
afterAll(() => rmSync(home, { recursive: true, force: true }));

interface Follower {
  runDir: string;
  process: ChildProcessWithoutNullStreams;
  /** Its lines so far, without the nonce. */
  lines(): string[];
  ended: Promise<number | null>;
  /** Resolves with the first line that begins like that. */
  line(start: string): Promise<string>;
}

async function startFollower(
  run: string,
  options: {
    node?: string;
    plan?: unknown;
    rest?: string;
    resume?: string;
    change?: (follower: string) => string;
  } = {},
): Promise<Follower> {
  const runDir = join(home, `run-${++runs}`);
  mkdirSync(runDir, { mode: 0o700 });
  const programFile = join(runDir, 'host.js');
  writeFileSync(programFile, hostProgram(run, options.resume), { mode: 0o600 });
  const follower = await followerProgram();
  writeFileSync(join(runDir, 'follower.js'), options.change?.(follower) ?? follower, { mode: 0o600 });
  const settings = { nonce: NONCE, runDir, programFile, plan: options.plan ?? {} };
  return call('follow', runDir, settings, options);
}

/** Has another follower take up what one has started, from `offset` on. */
function rejoin(
  { runDir }: Follower,
  offset: number,
  options: { node?: string; rest?: string } = {},
): Follower {
  const programFile = join(runDir, 'host.js');
  return call(
    'rejoin',
    runDir,
    { nonce: NONCE, runDir, programFile, plan: { deployId: 'again' }, offset },
    options,
  );
}

function call(
  name: 'follow' | 'rejoin',
  runDir: string,
  settings: object,
  options: { node?: string; rest?: string },
): Follower {
  const follower = JSON.stringify(join(runDir, 'follower.js'));
  const script = `require(${follower}).${name}({ ...${JSON.stringify(settings)}, rest: Buffer.from(${JSON.stringify(options.rest ?? '')}) })`;
  const child = spawn(options.node ?? process.execPath, ['-e', script], {
    cwd: home,
    env: { HOME: home, PATH: process.env.PATH ?? '' },
    detached: true,
  });
  let text = '';
  child.stdout.on('data', (chunk: Buffer) => {
    text += chunk.toString('utf8');
  });
  child.stderr.on('data', (chunk: Buffer) => {
    text += chunk.toString('utf8');
  });
  child.stdin.on('error', () => {});
  const lines = (): string[] =>
    text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => line.replace(`${NONCE} `, ''));
  return {
    runDir,
    process: child,
    lines,
    ended: new Promise((done) => child.once('close', (code) => done(code))),
    line: (start) => soon(() => lines().find((line) => line.startsWith(start))),
  };
}

async function soon<T>(find: () => T | undefined): Promise<T> {
  for (const deadline = Date.now() + 15_000; ; ) {
    const found = find();
    if (found !== undefined) return found;
    if (Date.now() > deadline) throw new Error('it did not come about');
    await new Promise((again) => setTimeout(again, 5));
  }
}

function say(follower: Follower, message: unknown): void {
  follower.process.stdin.write(`${JSON.stringify(message)}\n`);
}

function events(follower: Follower): string[] {
  return readFileSync(join(follower.runDir, 'events.ndjson'), 'utf8')
    .split('\n')
    .filter((line) => line !== '');
}

const WHOLE_RUN = `
  emit({ type: 'notice', level: 'info', text: 'plan of ' + plan.deployId + ' · żółć' });
  emit({ type: 'state', state: 'prepared', atMs: 1 });
  await heard('go');
  emit({ type: 'output', from: 'build', text: 'x'.repeat(200_000) });
  emit({ type: 'end', result: result('deployed') });
`;

const END = `emit({ type: 'end', result: result('deployed') });`;

describe.each([
  ['this Node', process.execPath],
  ['the oldest Node', OLDEST],
])('a follower in %s', (_, node) => {
  it('shows every event with its place, hands on what the runner says, and ends with the program', async () => {
    const secret = 'marker-4711';
    const follower = await startFollower(WHOLE_RUN, {
      node,
      plan: { deployId: 'abc', shellInit: secret },
      rest: '{"type":"heart',
    });
    follower.process.stdin.write('beat"}\nnot json\n');
    await follower.line('event');
    await follower.line('started ');
    say(follower, { type: 'go' });
    expect(await follower.ended).toBe(0);

    const shown = follower.lines().filter((line) => line.startsWith('event '));
    let end = 0;
    const expected = events(follower).map((json) => {
      end += Buffer.byteLength(json) + 1;
      return `event ${end} ${json}`;
    });
    expect(shown).toEqual(expected);
    expect(shown[0]).toContain('plan of abc · żółć');
    expect(readFileSync(join(follower.runDir, 'control.ndjson'), 'utf8')).toBe(
      '{"type":"heartbeat"}\n{"type":"go"}\n',
    );
    for (const name of readdirSync(follower.runDir)) {
      const file = join(follower.runDir, name);
      expect(statSync(file).mode & 0o777, name).toBe(0o600);
      expect(readFileSync(file, 'utf8'), name).not.toContain(secret);
    }
  });

  it('tells of a program that ends without a result, with the last lines of its log', async () => {
    const follower = await startFollower(
      `emit({ type: 'state', state: 'preflight', atMs: 0 }); for (let i = 0; i < 30; i++) console.error('line ' + i); process.kill(process.pid, 'SIGKILL');`,
      { node },
    );
    expect(await follower.ended).toBe(0);
    const [last = '', ...before] = follower.lines().reverse();
    const lines = JSON.parse(last.replace('gone ', '')) as string[];
    expect(lines).toEqual(Array.from({ length: 20 }, (__, index) => `line ${index + 10}`));
    expect(before[0]).toMatch(/^event .*preflight/);
  });

  it('takes up a program that another one has started, and hands on first what it was given', async () => {
    const first = await startFollower(
      `emit({ type: 'notice', level: 'info', text: 'żółć' }); emit({ type: 'state', state: 'prepared', atMs: 1 });
       await heard('go'); ${END}`,
      { node },
    );
    await soon(() => first.lines().find((line) => line.includes('prepared')));
    first.process.kill('SIGKILL');
    await first.ended;
    const [known = ''] = events(first);
    const second = rejoin(first, Buffer.byteLength(known) + 1, { node, rest: '{"type":"go"}\n' });
    expect(await second.ended).toBe(0);
    const [joined, ...shown] = second.lines();
    expect(joined).toMatch(/^joined \d+$/);
    expect(shown.map((line) => line.replace(/^event \d+ /, ''))).toEqual(events(first).slice(1));
    const size = statSync(join(first.runDir, 'events.ndjson')).size;
    expect(shown.at(-1)).toMatch(new RegExp(`^event ${size} `));
  });

  it('tells of a program that has ended in the meantime, with a result and without', async () => {
    for (const [run, last] of [
      [END, /^event \d+ \{"type":"end"/],
      [`console.error('last words'); process.exit(1);`, /^gone \["last words"\]$/],
    ] as const) {
      const first = await startFollower(run, { node });
      await first.ended;
      const second = rejoin(first, 0, { node, rest: '{"type":"cancel","reason":"late"}\n' });
      expect(await second.ended).toBe(0);
      expect(second.lines().at(-1)).toMatch(last);
      expect(readFileSync(join(first.runDir, 'control.ndjson'), 'utf8')).toContain('"cancel"');
    }
  });
});

it('starts a program that was killed once more, with the plan, behind the last whole event', async () => {
  const follower = await startFollower(
    `emit({ type: 'state', state: 'staged', atMs: 0 }); standInFs.appendFileSync(runDir + '/events.ndjson', '{"type":"torn'); process.kill(process.pid, 'SIGKILL');`,
    {
      plan: { deployId: 'abc' },
      resume: `emit({ type: 'notice', level: 'info', text: 'resumed ' + plan.deployId }); ${END}`,
    },
  );
  expect(await follower.ended).toBe(0);
  const [started, ...shown] = follower.lines();
  expect(started).toMatch(/^started /);
  expect(shown.map((line) => line.replace(/^event \d+ /, ''))).toEqual(events(follower));
  expect(shown).toEqual([
    expect.stringContaining('"staged"'),
    expect.stringContaining('resumed abc'),
    expect.stringContaining('"end"'),
  ]);
  const size = statSync(join(follower.runDir, 'events.ndjson')).size;
  expect(shown.at(-1)).toMatch(new RegExp(`^event ${size} `));
});

it('starts it once more where it died while nobody followed it; whoever comes then follows the same one', async () => {
  const first = await startFollower(
    `emit({ type: 'state', state: 'activating', atMs: 0 }); await heard('cancel'); process.exit(1);`,
    {
      resume: `emit({ type: 'notice', level: 'info', text: 'resumed ' + plan.deployId }); await heard('go'); ${END}`,
    },
  );
  await first.line('event');
  first.process.kill('SIGKILL');
  await first.ended;
  const others = [rejoin(first, 0, { rest: '{"type":"cancel","reason":"late"}\n' }), rejoin(first, 0)];
  for (const other of others) await soon(() => other.lines().find((line) => line.includes('resumed again')));
  say(others[0] as Follower, { type: 'go' });
  for (const other of others) expect(await other.ended).toBe(0);
  expect(events(first).filter((line) => line.includes('resumed'))).toHaveLength(1);
});

it('leaves as the runner does, also where it has taken up a program', async () => {
  const first = await startFollower(
    `emit({ type: 'state', state: 'staged', atMs: 0 }); await heard('never');`,
  );
  await first.line('event');
  const second = rejoin(first, 0);
  await second.line('event');
  second.process.stdin.end();
  expect(await second.ended).toBe(0);
  expect(first.process.exitCode).toBeNull();
});

it('leaves the program to itself when the runner is gone', async () => {
  const follower = await startFollower(
    `emit({ type: 'state', state: 'activating', atMs: 0 }); while (!standInFs.existsSync(runDir + '/on')) await new Promise((r) => setTimeout(r, 5)); emit({ type: 'end', result: result('deployed') });`,
  );
  await follower.line('event');
  follower.process.stdin.end();
  expect(await follower.ended).toBe(0);
  writeFileSync(join(follower.runDir, 'on'), '');
  await soon(() => events(follower).find((event) => event.includes('"end"')));
});

it('is not the death of the program when it is killed with all of its process group', async () => {
  const follower = await startFollower(
    `emit({ type: 'state', state: 'activating', atMs: 0 }); while (!standInFs.existsSync(runDir + '/on')) await new Promise((r) => setTimeout(r, 5)); emit({ type: 'end', result: result('deployed') });`,
  );
  await follower.line('event');
  process.kill(-(follower.process.pid ?? 0), 'SIGKILL');
  await follower.ended;
  writeFileSync(join(follower.runDir, 'on'), '');
  await soon(() => events(follower).find((event) => event.includes('"end"')));
});

it('ends with the lease, which only bytes from the runner renew', async () => {
  const follower = await startFollower(
    `setInterval(() => emit({ type: 'notice', level: 'info', text: 'alive' }), 50);`,
    { change: (text) => text.replace(/LEASE = [\d_e]+/, 'LEASE = 1500') },
  );
  expect(readFileSync(join(follower.runDir, 'follower.js'), 'utf8')).toContain('LEASE = 1500');
  const started = performance.now();
  let heartbeats = 0;
  const timer = setInterval(() => {
    if (++heartbeats <= 8) say(follower, { type: 'heartbeat' });
  }, 300);
  expect(await follower.ended).toBe(0);
  clearInterval(timer);
  const lasted = performance.now() - started;
  expect(lasted).toBeGreaterThan(8 * 300 + 1_000);
  expect(lasted).toBeLessThan(15_000);
});

it('says why where the program cannot be started', async () => {
  const follower = await startFollower('', {
    change: (text) => text.replace(/process\.execPath/, '"/nonexistent/node"'),
  });
  expect(await follower.ended).toBe(0);
  expect(follower.lines()).toEqual([expect.stringMatching(/^failed ".*ENOENT/)]);
  expect(existsSync(join(follower.runDir, 'control.ndjson'))).toBe(false);
});
