import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { runAction, startAction } from './rig/action.ts';
import { startEmbeddedSsh } from './rig/embedded-ssh.ts';
import { stateOfLeft } from './rig/left.ts';
import { ROOT } from './rig/places.ts';

const SHA = 'c0ffee0123456789c0ffee0123456789c0ffee01';
const INPUTS = {
  host: '127.0.0.1:1',
  username: 'deploy',
  password: 'correct horse',
  path: '~/app',
  'connect-retries': '0',
};

test('bad inputs make the job red once, with all of them in one error', async () => {
  const run = await runAction({
    inputs: { ...INPUTS, host: '', path: '/', known_hosts: 'x' },
    env: { GITHUB_SHA: SHA },
  });
  expect(run.code).toBe(1);
  const errors = run.commands.filter(({ name }) => name === 'error');
  expect(errors).toHaveLength(1);
  expect(errors[0]?.data).toMatch(/^3 inputs cannot be used:\n/);
  expect(run.outputs).toMatchObject({ outcome: 'failed', sha: '', 'previous-sha': '', hosts: '[]' });
  expect(run.summary).toMatch(/^### ❌ 3 inputs cannot be used:/);
});

test('secrets are masked before anything else is said', async () => {
  const run = await runAction({ inputs: INPUTS, env: { GITHUB_SHA: SHA } });
  expect(run.commands[0]).toMatchObject({ name: 'add-mask', data: 'correct horse' });
  const rest = run.stdout.replace('::add-mask::correct horse', '');
  expect(rest + run.stderr + run.summary + JSON.stringify(run.outputs)).not.toContain('correct horse');
});

test('a host that refuses the connection makes the job red once, and at once', async () => {
  const run = await runAction({ inputs: INPUTS, env: { GITHUB_SHA: SHA } });
  expect(run.code).toBe(1);
  expect(run.commands.filter(({ name }) => name === 'error').map(({ data }) => data)).toEqual([
    'host-1 refused the connection to port 1.\nThe host answers, but nothing listens at that port, or a firewall rejects the connection. Check host and port, and that the SSH server runs (systemctl status ssh).',
  ]);
  expect(run.outputs).toMatchObject({ outcome: 'failed' });
  expect(run.stdout).not.toMatch(/deployed|complete/i);
});

test('host-key-check: off is warned of in the log of every run, before anything is sent', async () => {
  const warnings = async (inputs: Record<string, string>): Promise<string> => {
    const run = await runAction({ inputs: { ...INPUTS, ...inputs }, env: { GITHUB_SHA: SHA } });
    return run.commands
      .filter(({ name }) => name === 'warning')
      .map(({ data }) => data)
      .join();
  };
  expect(await warnings({ 'host-key-check': 'off' })).toContain('host-key-check is off. Nothing proves');
  expect(await warnings({})).not.toContain('host-key-check');
});

test('outside of a workflow, where no files are named, it ends just as red', async () => {
  const run = await runAction({
    inputs: INPUTS,
    env: { GITHUB_SHA: SHA, GITHUB_OUTPUT: '', GITHUB_STEP_SUMMARY: '' },
  });
  expect(run.code).toBe(1);
  expect(run.commands.filter(({ name }) => name === 'error')).toHaveLength(1);
  expect(run.commands.at(-1)?.data).toContain('refused the connection');
  expect(run.stderr).toBe('');
});

test('a signal while the report is being written changes nothing, and the report goes out whole', async () => {
  const directory = mkdtempSync(path.join(tmpdir(), 'report-'));
  const files = { outputs: path.join(directory, 'output'), summary: path.join(directory, 'summary') };
  writeFileSync(files.outputs, '');
  // Whoever writes to it waits for a reader: that holds the report up until we have sent the signal.
  execFileSync('mkfifo', [files.summary]);
  const action = startAction({
    inputs: INPUTS,
    env: { GITHUB_SHA: SHA, GITHUB_OUTPUT: files.outputs, GITHUB_STEP_SUMMARY: files.summary },
  });
  try {
    await expect.poll(() => readFileSync(files.outputs, 'utf8')).toContain('duration-ms');
    action.process.kill('SIGTERM');
    const summary = await readFile(files.summary, 'utf8');
    const run = await action.done;
    expect(summary).toMatch(/^### ❌ host-1 refused the connection/);
    expect(run.code).toBe(1);
    expect(readFileSync(files.outputs, 'utf8').match(/^outcome<</gm)).toHaveLength(1);
    const errors = run.commands.filter(({ name }) => name === 'error');
    expect(errors.map(({ data }) => data.split('\n')[0])).toEqual([
      'host-1 refused the connection to port 1.',
    ]);
  } finally {
    action.process.kill('SIGKILL');
    rmSync(directory, { recursive: true });
  }
});

test('a host that never answers ends with connect-timeout, and nothing keeps the action alive', async () => {
  const silent = createServer(() => {});
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  try {
    const address = silent.address();
    const port = typeof address === 'object' ? address?.port : 0;
    const inputs = { ...INPUTS, host: `web=127.0.0.1:${port}`, 'connect-timeout': '300ms' };
    const run = await runAction({ inputs, env: { GITHUB_SHA: SHA } });
    expect(run.code).toBe(1);
    expect(run.commands.at(-1)?.data).toContain('within 0.3 s (connect-timeout)');
    expect(run.durationMs).toBeLessThan(15_000);
  } finally {
    silent.close();
  }
});

test.each(['SIGINT', 'SIGTERM'] as const)(
  '%s before the host knows of the deploy ends it red once, and leaves nothing to the post step',
  async (signal) => {
    const silent = createServer(() => {});
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    try {
      const address = silent.address();
      const port = typeof address === 'object' ? address?.port : 0;
      const action = startAction({
        inputs: { ...INPUTS, host: `127.0.0.1:${port}` },
        env: { GITHUB_SHA: SHA },
      });
      const connected = new Promise((resolve) => silent.once('connection', resolve));
      await connected;
      const sent = performance.now();
      action.process.kill(signal);
      const run = await action.done;
      expect(performance.now() - sent).toBeLessThan(7_500);
      expect(run.code).toBe(1);
      const errors = run.commands.filter(({ name }) => name === 'error');
      expect(errors.map(({ data }) => data.split('\n')[0])).toEqual([
        'The job was cancelled before anything was sent to host-1. Nothing was changed there.',
      ]);
      expect(run.outputs).toMatchObject({ outcome: 'failed' });
      expect(run.exported.state).toMatchObject({ settled: 'true' });
    } finally {
      silent.close();
    }
  },
);

describe('the post step', () => {
  const script = path.join(ROOT, 'dist/post.js');

  test('has nothing to do where the action came to its end: it connects nowhere, and takes no time', async () => {
    const main = await runAction({ inputs: INPUTS, env: { GITHUB_SHA: SHA } });
    // Where nobody could be reached, there was nothing to note but the end.
    expect(main.exported.state.settled).toBe('true');
    const noted = await stateOfLeft(INPUTS, 'deploy-4711');
    let connections = 0;
    const server = createServer(() => {
      connections += 1;
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    try {
      const { port } = server.address() as AddressInfo;
      const inputs = { ...INPUTS, host: `127.0.0.1:${port}` };
      for (const env of [stateVariables({ ...noted, ...main.exported.state }), {}]) {
        const post = await runAction({ script, inputs, env: { GITHUB_SHA: SHA, ...env } });
        expect(post).toMatchObject({ code: 0, stdout: '', stderr: '', summary: '', outputs: {} });
        expect(post.durationMs).toBeLessThan(15_000);
      }
      expect(connections).toBe(0);
    } finally {
      server.close();
    }
  });

  test('cannot find out how it ended where the host is not the one that is pinned: red once, with where to look', async () => {
    const home = mkdtempSync(path.join(tmpdir(), 'post-'));
    let ran = '';
    const ssh = await startEmbeddedSsh(home, { PATH: process.env.PATH ?? '' }, (chunk) => {
      ran += chunk.toString('utf8');
    });
    try {
      const inputs = {
        ...INPUTS,
        host: `127.0.0.1:${ssh.access.port}`,
        fingerprint: `SHA256:${'A'.repeat(43)}`,
      };
      const env = { GITHUB_SHA: SHA, ...stateVariables(await stateOfLeft(inputs, 'deploy-4711')) };
      const post = await runAction({ script, inputs, env });
      expect(post, post.stdout).toMatchObject({ code: 1, outputs: {}, stderr: '' });
      const errors = post.commands.filter(({ name }) => name === 'error');
      expect(errors).toHaveLength(1);
      expect(errors[0]?.data).toContain(ssh.fingerprint);
      expect(errors[0]?.data).toContain('deploy-4711/events.ndjson');
      expect(post.summary).toMatch(/^### ❌ /);
      expect(post.commands[0]).toMatchObject({ name: 'add-mask', data: 'correct horse' });
      expect(ssh.traffic().execs).toBe(0);
      expect(ran).toBe('');
    } finally {
      await ssh.stop();
      rmSync(home, { recursive: true });
    }
  });
});

function stateVariables(state: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(state).map(([name, value]) => [`STATE_${name}`, value]));
}
