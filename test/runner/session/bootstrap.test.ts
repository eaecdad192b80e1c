import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { Event, HostResult } from '../../../src/protocol.ts';
import { connect } from '../../../src/runner/connection/connect.ts';
import type { Connection } from '../../../src/runner/connection/ssh.ts';
import { readPrivateKey } from '../../../src/runner/keys/keys.ts';
import { BOOTSTRAP_LINE } from '../../../src/runner/session/bootstrap.ts';
import { deployOnHost } from '../../../src/runner/session/deploying.ts';
import { SessionError } from '../../../src/runner/session/session-error.ts';
import { packedProgram } from '../../rig/host-program.ts';
import { killAllOf } from '../../rig/leftovers.ts';
import { somePlan } from '../../rig/plan.ts';
import { type SshdOptions, startSshd } from '../../rig/sshd.ts';

const MARKER = 'marker-secret-4711';
const WHOLE_RUN = `
  emit({ type: 'notice', level: 'info', text: plan.ref });
  emit({ type: 'state', state: 'prepared', atMs: 1 });
  await heard('go');
  emit({ type: 'end', result: result('deployed') });
`;
const cleanUp: Array<() => Promise<void>> = [];

afterEach(async () => {
  for (const step of cleanUp.splice(0).reverse()) await step();
});

interface Deploy {
  result: HostResult | SessionError;
  events: Event[];
  /** All that was written to the host's stdin. */
  sent: string;
  home: string;
  /** What a file in the home holds, or null. */
  read(name: string): string | null;
}

interface Host extends Partial<SshdOptions> {
  /** Files in the home, such as start-up files. */
  files?: Record<string, string>;
}

/** Deploys a stand-in with a marked plan to a host of its own. */
async function deploy(
  host: Host,
  run = WHOLE_RUN,
  options: {
    shellInit?: string;
    bootstrapTimeout?: number;
    onEvent?: (event: Event, connection: Connection) => void;
  } = {},
): Promise<Deploy> {
  const home = realpathSync(mkdtempSync(join(tmpdir(), 'boot-')));
  for (const [name, text] of Object.entries(host.files ?? {})) {
    mkdirSync(dirname(join(home, name)), { recursive: true });
    writeFileSync(join(home, name), text.replaceAll('~HOME~', home));
  }
  const keyOptions = host.authorizedKeyOptions?.replaceAll('~HOME~', home);
  const sshd = await startSshd({
    env: { PATH: `${dirname(process.execPath)}:/usr/local/bin:/usr/bin:/bin` },
    ...host,
    home,
    ...(keyOptions === undefined ? {} : { authorizedKeyOptions: keyOptions }),
  });
  cleanUp.push(async () => {
    await sshd.stop();
    await killAllOf(home);
    rmSync(home, { recursive: true, force: true });
  });
  const connection = await connect({
    ...sshd,
    label: 'host-1',
    shownHost: null,
    key: readPrivateKey(sshd.key, null),
    password: null,
    agent: null,
    hostKey: { kind: 'known-hosts', text: sshd.knownHosts },
    timeout: 20_000,
  });
  cleanUp.push(() => connection.close());
  const events: Event[] = [];
  const recorded = recording(connection);
  const result = await deployOnHost({
    connection: recorded.connection,
    program: await packedProgram(run),
    plan: somePlan({ ref: MARKER }),
    shellInit: options.shellInit ?? null,
    bootstrapTimeout: options.bootstrapTimeout ?? 15_000,
    log: {
      say: () => {},
      warn: () => {},
      event: (event) => {
        events.push(event);
        options.onEvent?.(event, connection);
      },
    },
    mayGo: async () => {},
    cancelled: new AbortController().signal,
  }).catch((error: unknown) => {
    if (error instanceof SessionError) return error;
    throw error;
  });
  return {
    result,
    events,
    sent: recorded.sent(),
    home,
    read: (name) => (existsSync(join(home, name)) ? readFileSync(join(home, name), 'utf8') : null),
  };
}

/** The same connection, with all that is written to its channels kept. */
function recording(connection: Connection): { connection: Connection; sent(): string } {
  let sent = '';
  return {
    sent: () => sent,
    connection: {
      ...connection,
      async exec(command) {
        expect(command).toBe(BOOTSTRAP_LINE);
        const channel = await connection.exec(command);
        const write = channel.stdin.write.bind(channel.stdin);
        channel.stdin.write = ((chunk: string) => {
          sent += chunk;
          return write(chunk);
        }) as typeof write;
        return channel;
      },
    },
  };
}

function expectDeployed(deployed: Deploy): void {
  expect(deployed.result).toMatchObject({ outcome: 'deployed' });
  expect(deployed.events.map((event) => event.type)).toEqual(['notice', 'state', 'end']);
  expect(deployed.events[0]).toMatchObject({ text: MARKER });
}

function expectNothingSent(deployed: Deploy): SessionError {
  expect(deployed.sent).toMatch(/^[0-9a-f]{32}\n$/);
  if (!(deployed.result instanceof SessionError)) throw new Error('it was deployed');
  expect(deployed.result.message).toMatch(
    /start-up file of the login shell, or a forced command, (swallowed|ended) it/,
  );
  expect(deployed.result.remedy).toContain('by hand');
  return deployed.result;
}

it('is one line that every shell takes as it is', () => {
  expect(BOOTSTRAP_LINE).toMatch(/^sh -c '[^'\n\\!]*'$/);
});

describe.each([
  '/bin/sh',
  '/bin/bash',
  '/usr/bin/dash',
  '/usr/bin/zsh',
  '/usr/bin/fish',
  '/usr/bin/tcsh',
  '/bin/rbash',
])('with the login shell %s', (loginShell) => {
  it('deploys', async () => {
    expectDeployed(await deploy({ loginShell }));
  });
});

describe('a start-up file', () => {
  const noisy = String.raw`echo hello; echo oops >&2; printf '\033[31mred\r\n::add-mask::x\n00000000 event 12 {}\npm2-ssh-deploy-ready x\nno line end'`;
  it.each([
    ['/bin/bash', { '.bashrc': noisy }],
    ['/usr/bin/zsh', { '.zshenv': noisy }],
    ['/usr/bin/fish', { '.config/fish/config.fish': noisy }],
    ['/usr/bin/tcsh', { '.tcshrc': 'echo hello\necho -n "no line end"\n' }],
  ])('that prints is not in the way: %s', async (loginShell, files) => {
    expectDeployed(await deploy({ loginShell, files }));
  });

  it('that starts a background job which prints for ever is not in the way', async () => {
    const files = { '.bashrc': "(while :; do echo noise; printf 'no line end'; sleep 0.002; done) &\n" };
    expectDeployed(await deploy({ files }));
  });

  it.each([
    ['/bin/bash', { '.bashrc': 'read -r line; echo "$line" >>~/got\n' }],
    ['/bin/bash', { '.bashrc': 'cat >>~/got\n' }],
    ['/usr/bin/zsh', { '.zshenv': 'read -r line; echo "$line" >>~/got\n' }],
    ['/usr/bin/fish', { '.config/fish/config.fish': 'cat >>~/got\n' }],
    ['/usr/bin/tcsh', { '.tcshrc': 'cat >>~/got\n' }],
  ])('that reads stdin gets the nonce and nothing else: %s %o', async (loginShell, files) => {
    const deployed = await deploy({ loginShell, files }, WHOLE_RUN, { bootstrapTimeout: 1_000 });
    expectNothingSent(deployed);
    await expect.poll(() => deployed.read('got')).toBe(deployed.sent);
  });

  it.each(['zsh', 'fish', 'bash', 'tcsh', 'sh'])(
    'that execs %s, which takes stdin for a script, gets nothing else',
    async (shell) => {
      const deployed = await deploy({ files: { '.bashrc': `echo before\nexec ${shell}\n` } }, WHOLE_RUN, {
        bootstrapTimeout: 2_500,
      });
      const error = expectNothingSent(deployed);
      expect(error.message).toContain('What came instead is below.');
      expect(error.output[0]).toBe('before');
      // The other shell tried to run the nonce as a command, and said so; fish reads to the end first.
      if (shell !== 'fish') expect(error.output.join('\n')).toContain(deployed.sent.trim());
    },
  );

  it('that execs another shell where it does no harm is not in the way', async () => {
    const files = {
      '.bashrc': 'if [ -n "$BASH_EXECUTION_STRING" ]; then exec zsh -c "$BASH_EXECUTION_STRING"; fi\n',
    };
    expectDeployed(await deploy({ files }));
  });

  it('that never ends is given up on', async () => {
    const error = expectNothingSent(
      await deploy({ files: { '.bashrc': 'sleep 600\n' } }, WHOLE_RUN, { bootstrapTimeout: 1_000 }),
    );
    expect(error.message).toContain('did not answer within 1 s');
    expect(error.message).toContain('Nothing came back.');
  });

  it('that exits is told of at once, with what it said', async () => {
    const files = { '.bashrc': "printf '\\033[1mThis account\\033[0m is closed.\\007\\n' >&2; exit 7\n" };
    const error = expectNothingSent(await deploy({ files }));
    expect(error.message).toContain('ended without an answer (exit code 7)');
    expect(error.output).toEqual(['This account is closed.']);
  });
});

describe('a forced command that records its stdin', () => {
  it('in authorized_keys gets the nonce and nothing else', async () => {
    const deployed = await deploy({ authorizedKeyOptions: 'command="cat > ~HOME~/got"' }, WHOLE_RUN, {
      bootstrapTimeout: 1_000,
    });
    expectNothingSent(deployed);
    await expect.poll(() => deployed.read('got')).toBe(deployed.sent);
  });

  it('in sshd_config, which echoes as well, gets the nonce and nothing else', async () => {
    const deployed = await deploy({ forcedCommand: 'tee got' }, WHOLE_RUN, { bootstrapTimeout: 1_000 });
    const error = expectNothingSent(deployed);
    await expect.poll(() => deployed.read('got')).toBe(deployed.sent);
    expect(error.output).toEqual([deployed.sent.trim()]);
  });
});

describe('a session', () => {
  it('writes what it must for its user alone, and its plan nowhere', async () => {
    const deployed = await deploy({}, `${WHOLE_RUN.replace('plan.ref', "'-'")}`);
    expect(deployed.result).toMatchObject({ outcome: 'deployed' });
    const modes = execFileSync('find', ['.local/state/pm2-ssh-deploy', '-printf', '%M %P\n'], {
      cwd: deployed.home,
      encoding: 'utf8',
    });
    expect(
      modes
        .trim()
        .split('\n')
        .every((line) => /^(drwx------|-rw-------) /.test(line)),
      modes,
    ).toBe(true);
    expect(modes).toContain('host.js');
    expect(modes).toContain('follower.js');
    const grep = execFileSync('sh', ['-c', `grep -rl ${MARKER} . || true`], {
      cwd: deployed.home,
      encoding: 'utf8',
    });
    expect(grep).toBe('');
  });

  it('finds Node by shell-init, in POSIX sh, and mixes in nothing that it prints', async () => {
    const directory = dirname(process.execPath);
    const deployed = await deploy(
      { env: { PATH: '/usr/bin:/bin' } },
      `emit({ type: 'notice', level: 'info', text: process.execPath + ' ' + process.env.INIT });\n${WHOLE_RUN}`,
      { shellInit: `echo noise; cat; read -r x\r\nexport INIT="it's \\\\ set"\nPATH=${directory}:$PATH` },
    );
    expect(deployed.result).toMatchObject({ outcome: 'deployed' });
    expect(deployed.events[0]).toMatchObject({ text: `${realpathSync(process.execPath)} it's \\ set` });
  });

  it.each([
    ['exit 4', 'exit code 4'],
    ['if then (', 'exit code 2'],
  ])('says that shell-init ended the shell: %s', async (shellInit, says) => {
    const { result } = await deploy({}, WHOLE_RUN, { shellInit });
    expect(result).toMatchObject({
      message: expect.stringContaining('shell-init ended the shell on host-1'),
    });
    expect(result).toMatchObject({ message: expect.stringContaining(says) });
  });

  it('tells of a program that dies, with its last words', async () => {
    const run = `emit({ type: 'state', state: 'staged', atMs: 1 }); console.error('out of \\u001b[1mluck'); process.exit(1);`;
    const { result } = await deploy({}, run);
    expect(result).toBeInstanceOf(SessionError);
    expect(result).toMatchObject({
      message: expect.stringContaining('ended without a result, after it had entered staged'),
      output: ['out of luck'],
    });
  });

  it.each([
    [
      "emit({ type: 'end', result: { ...result('deployed'), outcome: 'x\"; id' } })",
      'end.result.outcome is not one of',
    ],
    [
      "emit({ type: 'end', result: { ...result('deployed'), sha: null } })",
      'it ended as deployed, with no commit',
    ],
    ["emit({ type: 'state', state: 'done', atMs: 1 })", 'state.state is not one of'],
    ["emit({ type: 'mystery' })", 'type is not one of'],
  ])('believes no host that says what cannot be true: %s', async (run, says) => {
    const { result, events } = await deploy({}, run);
    expect(result).toMatchObject({ goesOn: true, message: expect.stringContaining(says) });
    expect(events.filter(({ type }) => type !== 'end')).toEqual([]);
  });

  it('tells of a program that is none', async () => {
    const { result } = await deploy({}, 'syntax error here');
    expect(result).toMatchObject({ message: expect.stringContaining('ended without a result') });
    expect((result as SessionError).output.join('\n')).toContain('SyntaxError');
  });

  it('that is lost says what the host does now, and the host does it', async () => {
    const deployed = await deploy(
      {},
      `emit({ type: 'state', state: 'activating', atMs: 1 });
       while (!standInFs.existsSync(process.env.HOME + '/on')) await new Promise((r) => setTimeout(r, 5));
       standInFs.writeFileSync(process.env.HOME + '/done', '');`,
      { onEvent: (_, connection) => void connection.close() },
    );
    expect(deployed.result).toBeInstanceOf(SessionError);
    expect(deployed.result).toMatchObject({
      message: expect.stringMatching(
        /^The connection to host-1 was lost .*after it had entered activating.*finishes the deploy alone/,
      ),
    });
    writeFileSync(join(deployed.home, 'on'), '');
    for (const deadline = Date.now() + 10_000; deployed.read('done') === null; ) {
      if (Date.now() > deadline) throw new Error('the program did not go on');
      await new Promise((again) => setTimeout(again, 10));
    }
  });
});
