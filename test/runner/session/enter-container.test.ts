import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Transform } from 'node:stream';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Container } from '../../../src/runner/connection/container.ts';
import type { Channel, Connection } from '../../../src/runner/connection/ssh.ts';
import { BOOTSTRAP_SCRIPT, type HostShell, openHostShell } from '../../../src/runner/session/bootstrap.ts';
import { enterContainer } from '../../../src/runner/session/enter-container.ts';
import { SessionError } from '../../../src/runner/session/session-error.ts';

/** What an engine does with `container inspect`, `ps` and `exec`, in sh. */
const RUNS = `case "$1" in
  container) echo running ;;
  exec) printf '%s\\0' "$@" >"$0.got"; shift 3; exec "$@" ;;
esac`;
const saying = (status: string): string => `case "$1" in container) echo ${status} ;; esac`;
const LACKS = `case "$1" in container) exit 1 ;; ps) printf 'web\\napi\\n' ;; esac`;
const DENIES = `echo 'permission denied while trying to connect to the Docker daemon socket' >&2; exit 1`;
const IS_DOWN = `echo 'Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?' >&2; exit 1`;
const HAS_NO_SHELL = `case "$1" in
  container) echo running ;;
  exec) echo 'OCI runtime exec failed: exec failed: unable to start container process: exec: "sh": executable file not found in $PATH: unknown' >&2; exit 127 ;;
esac`;
const FAILS = `case "$1" in container) echo running ;; exec) echo 'no space left on device' >&2; exit 126 ;; esac`;

type Engines = Partial<Record<'docker' | 'podman', string>>;

let server: string;
beforeEach(() => {
  server = mkdtempSync(path.join(tmpdir(), 'engines-'));
  mkdirSync(path.join(server, 'bin'));
});
afterEach(() => rmSync(server, { recursive: true }));

/** A shell in the container `shop` of a server with these engines, and no other program than these. */
async function enter(engines: Engines, engine: Container['engine'] = null): Promise<HostShell> {
  for (const name of ['sh', 'printf', 'cat']) symlinkSync(`/usr/bin/${name}`, path.join(server, 'bin', name));
  for (const [name, script] of Object.entries(engines))
    writeFileSync(path.join(server, 'bin', name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  const exec = async (command: string): Promise<Channel> => {
    const child = spawn('/bin/sh', ['-c', `PATH=${server}/bin; readonly PATH 2>/dev/null; ${command}`]);
    // This machine may have engines of its own there.
    const stdin = new Transform({
      transform: (chunk: Buffer, _, done) =>
        done(null, String(chunk).replace(':/usr/local/bin:/snap/bin', '')),
    });
    stdin.pipe(child.stdin);
    return {
      stdin,
      stdout: child.stdout,
      stderr: child.stderr,
      ended: new Promise((resolve) => {
        child.once('close', (code, signal) => resolve({ code, signal, lost: null }));
      }),
    };
  };
  const host = await openHostShell({ label: 'host-1', exec } as Connection, 10_000);
  return enterContainer(host, { name: 'shop', engine });
}

async function refusalOf(engines: Engines, engine: Container['engine'] = null): Promise<SessionError> {
  const refusal = await enter(engines, engine).catch((error: unknown) => error);
  expect(refusal).toBeInstanceOf(SessionError);
  return refusal as SessionError;
}

test.each<[string, Engines, Container['engine'], string]>([
  ['docker', { docker: RUNS }, null, 'docker'],
  ['docker before podman', { docker: RUNS, podman: RUNS }, null, 'docker'],
  ['podman, where docker has no such container', { docker: LACKS, podman: RUNS }, null, 'podman'],
  ['podman, where docker may not be used', { docker: DENIES, podman: RUNS }, null, 'podman'],
  ['podman, where it stands still in docker', { docker: saying('exited'), podman: RUNS }, null, 'podman'],
  ['the one that was named', { docker: RUNS, podman: RUNS }, 'podman', 'podman'],
])(
  'enters by %s, with nothing in the argument list but the name and the bootstrap',
  async (_, engines, engine, used) => {
    const shell = await enter(engines, engine);
    const lines: string[] = [];
    const answered = new Promise<void>((resolve) => {
      shell.listen((line) => {
        lines.push(line);
        resolve();
      });
    });
    // What follows on stdin is for the shell in there.
    shell.send(`echo "$n from inside"\n${shell.nonce}\n`);
    await answered;
    expect(lines).toEqual([`${shell.nonce} from inside`]);
    expect(shell.place).toBe('container shop of host-1');
    const got = readFileSync(path.join(server, 'bin', `${used}.got`), 'utf8')
      .split('\0')
      .slice(0, -1);
    expect(got).toEqual(['exec', '-i', 'shop', 'sh', '-c', BOOTSTRAP_SCRIPT]);
    expect(await shell.ended).toMatchObject({ code: 0 });
  },
);

test.each<[string, Engines, string, string]>([
  ['none is there', {}, 'There is no docker and no podman on host-1', 'Install it on the server'],
  [
    'none has it',
    { docker: LACKS, podman: LACKS },
    "There is no container 'shop' on host-1 (asked: docker, podman). These run: web, api, web, api.",
    'set username to that user',
  ],
  [
    'nothing runs',
    { podman: 'case "$1" in container) exit 1 ;; esac' },
    'No container runs there that this user can see',
    'podman ps',
  ],
  ['it has ended', { podman: saying('exited') }, 'does not run. Its status is exited.', 'podman start shop'],
  ['it is paused', { docker: saying('paused') }, 'Its status is paused.', 'docker unpause shop'],
  ['it ends again and again', { docker: saying('restarting') }, 'restarting', 'docker logs --tail 50 shop'],
  [
    'the socket is closed to the user',
    { docker: DENIES },
    'docker on host-1 refused to work',
    'sudo usermod -aG docker USER',
  ],
  [
    'the socket is closed, and the other engine lacks it',
    { docker: DENIES, podman: LACKS },
    '(asked: podman). These run: web, api. docker refused to work.',
    'group docker',
  ],
  ['the daemon is down', { docker: IS_DOWN }, 'docker on host-1 refused', 'systemctl start docker'],
  ['it has no shell', { docker: HAS_NO_SHELL }, "Container 'shop' on host-1 has no sh", 'node:24-slim'],
  [
    'nothing can be run there',
    { docker: FAILS },
    'Nothing could be run in container',
    "docker exec shop sh -c 'echo works'",
  ],
])('says what to do if %s', async (_, engines, message, remedy) => {
  const error = await refusalOf(engines);
  expect(error.message).toContain(message);
  expect(error.remedy).toContain(remedy);
});

test('what the engine says is shown, and cannot do harm', async () => {
  const error = await refusalOf({ docker: `printf 'denied\\033[31m * \\n::error::no\\n' >&2; exit 1` });
  expect(error.output).toEqual(['denied * ::error::no']);
});

test('so it is where nothing can be run', async () => {
  expect((await refusalOf({ docker: FAILS })).output).toEqual(['no space left on device']);
});

test('a named engine that is not there is not replaced by another', async () => {
  const error = await refusalOf({ docker: RUNS }, 'podman');
  expect(error.message).toContain('There is no podman on host-1');
});
