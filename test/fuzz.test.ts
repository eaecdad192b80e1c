import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readReport } from '../src/host/canary/preload.ts';
import { lastState } from '../src/host/deploy/resume.ts';
import { flaggedFiles, localChanges, trackedFiles } from '../src/host/git/checkout.ts';
import { refuseNamesThatAreNoText } from '../src/host/git/file-names.ts';
import type { Git } from '../src/host/git/git.ts';
import { resolveRef } from '../src/host/git/resolve-ref.ts';
import { secretsOfSettings } from '../src/host/git/settings-secrets.ts';
import { encodeMessage, MessageReader } from '../src/host/pm2/amp.ts';
import { wordsInDaemonLog } from '../src/host/pm2/daemon-log.ts';
import { saveApps } from '../src/host/pm2/dump.ts';
import { parseList } from '../src/host/pm2/list.ts';
import type { Rpc } from '../src/host/pm2/rpc.ts';
import { loadCurrent } from '../src/host/state/current.ts';
import { goodVersions, versionStack } from '../src/host/state/history.ts';
import { openJournal, unfinished } from '../src/host/state/journal.ts';
import { loadTransaction } from '../src/host/state/transaction.ts';
import { loadRecord } from '../src/host/swap/record.ts';
import { DeployFailure } from '../src/host/system/failure.ts';
import { LineSplitter } from '../src/host/system/line-splitter.ts';
import { lackingBits, parseList as parseUploadList } from '../src/host/upload/object-list.ts';
import { type Event, STATES } from '../src/protocol.ts';
import { connect } from '../src/runner/connection/connect.ts';
import { lineReader, showable } from '../src/runner/connection/lines.ts';
import { serverHello } from '../src/runner/connection/server-hello.ts';
import type { Connection } from '../src/runner/connection/ssh.ts';
import { readPrivateKey } from '../src/runner/keys/keys.ts';
import { readEvent } from '../src/runner/session/event-lines.ts';
import { follow, startCourse } from '../src/runner/session/following.ts';
import { openShell } from '../src/runner/session/open-shell.ts';
import { SessionError } from '../src/runner/session/session-error.ts';
import { notStarted } from '../src/runner/session/session-failures.ts';
import { result } from './report/results.ts';
import { type EmbeddedSsh, startEmbeddedSsh } from './rig/embedded-ssh.ts';
import { fuzzRandom, fuzzRuns, fuzzTimeout, mutated, outcome, outcomeOf } from './rig/fuzz.ts';
import { ROOT } from './rig/places.ts';
import { somePlan } from './rig/plan.ts';
import { pick, type Random } from './rig/random.ts';

/**
 * Every parser of what a host sends, git and PM2 on it included, and of the files that a deploy leaves there. Two have files of
 * their own: the events themselves (event-parser.test.ts) and known_hosts (known-hosts-fuzz.test.ts). FUZZ_SEED and FUZZ_RUNS
 * count for all, and each prints its seed.
 */
const RUNS = fuzzRuns(400);
const scratch = mkdtempSync(join(tmpdir(), 'fuzz-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const SHA = 'a'.repeat(40);
const LABEL = 'host-1';
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what may not be there.
const CONTROL = /[\u0000-\u0008\u000B-\u001F\u007F-\u009F]/;

class NeverError extends Error {}

interface Parser {
  seeds: readonly string[];
  /** What it makes of a text. Checks by itself what has to hold for a text that it takes. */
  parse(text: string, rand: Random): unknown;
  own: abstract new (...args: never[]) => Error;
}

const EVENTS: Event[] = [
  { type: 'state', state: 'staged', atMs: 12 },
  { type: 'notice', level: 'warning', text: 'disk is nearly full' },
  { type: 'output', from: 'build', text: 'built ż\u2028' },
  { type: 'end', result: result() },
];
const json = EVENTS.map((event) => JSON.stringify(event));

const chunksOf = (rand: Random, bytes: Buffer): Buffer[] => {
  const chunks: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = at + 1 + rand(pick(rand, [2, 9, 400]));
    chunks.push(bytes.subarray(at, end));
    at = end;
  }
  return chunks;
};

const RUNNER: Record<string, Parser> = {
  'event lines': {
    seeds: json,
    own: SessionError,
    parse(text, rand) {
      const known = rand(3) * 100;
      const end = rand(8) === 0 ? rand(1000) : known + Buffer.byteLength(text) + 1;
      const line = rand(8) === 0 ? mutated(rand, `${end} ${text}`) : `${end} ${text}`;
      const read = readEvent(line, known, LABEL);
      expect(read.end).toBeGreaterThan(known);
    },
  },
  "the host's answers": {
    seeds: [
      'failed "EACCES"',
      'failed {"toString":1}',
      'gone ["a","b"]',
      'gone [{"toString":null}]',
      'old-node /n v12.0.0',
      'no-node /usr/bin, nvm',
      'init-ended 3',
      'bad-options Error: x',
      'refused ["full","make room"]',
      'x',
    ],
    own: NeverError,
    parse(text) {
      const [word = '', rest = ''] = [text.split(' ')[0], text.slice(text.indexOf(' ') + 1)];
      const error = notStarted({ label: LABEL, word, rest, state: null, complaints: [], rejoins: false });
      expect(error).toBeInstanceOf(SessionError);
      expect(error.message).not.toMatch(CONTROL);
      expect(error.message.length).toBeLessThan(1_000);
      expect(error.output.length).toBeLessThan(100);
    },
  },
  'lines of a session': {
    seeds: [`one\ntwo\r\n${'x'.repeat(500)}\nżółw\u2028`, '\n\n\n', 'no end'],
    own: NeverError,
    parse(text, rand) {
      const read = (chunks: readonly Buffer[]): string[] => {
        const lines: string[] = [];
        const take = lineReader((line) => lines.push(line));
        for (const chunk of chunks) take(chunk);
        return lines;
      };
      const bytes = Buffer.from(text);
      expect(read(chunksOf(rand, bytes))).toEqual(read([bytes]));
      expect(showable(text)).not.toMatch(CONTROL);
      expect(showable(text).length).toBeLessThan(250);
    },
  },
  "a server's first bytes": {
    seeds: [
      'SSH-2.0-OpenSSH_9.2\r\n',
      'HTTP/1.1 400 Bad Request\r\n\r\n',
      `SSH-2.0-x\n\0\0\u0001\u0014\u0005\u0014${'c'.repeat(16)}\0\0\0\u0009a,b,ssh-x`,
    ],
    own: NeverError,
    parse(text, rand) {
      const hello = serverHello();
      for (const chunk of chunksOf(rand, Buffer.from(text, 'latin1'))) hello.take(chunk);
      expect(hello.said()).not.toMatch(CONTROL);
      for (const kind of ['key exchange', 'host key', 'cipher', 'MAC'] as const)
        expect(hello.offers(kind).join('')).not.toMatch(CONTROL);
    },
  },
};

/** A git that answers this text to whatever it is asked. */
const gitThat = (stdout: string): Git => ({
  directory: scratch,
  text: async () => stdout,
  attempt: async () => ({ code: 0, signal: null, stopped: null, stdout, tail: [], durationMs: 1 }),
  failure: () => new DeployFailure('git failed'),
});

/** What git prints for several commands, each to be read by all that read any. */
const GIT_OUTPUT = [
  ' M a.js\0?? b\0D  sub/c d\0',
  `100644 blob ${SHA}\tżółw.js\u0000120000 blob ${SHA}\tlink\u0000160000 commit ${SHA}\tsub\0`,
  `${SHA}\trefs/heads/main\n${SHA}\trefs/tags/v1\n${'b'.repeat(40)}\trefs/tags/v1^{}\n`,
  'H a\0S b\0h c d\0',
  '"caf\\351.txt"\nplain\n"\\305\\274"\n',
  'remote.origin.url\nhttps://ann:ghp_0123456789012345678901@x/y\0http.extraheader\nAuthorization: Basic YTpi\0core.bare\0',
];

const READERS_OF_GIT: ((git: Git) => Promise<unknown>)[] = [
  (git) => localChanges(scratch, git, { rewritten: {}, deleted: [] }),
  async (git) => {
    for (const [path, print] of await trackedFiles(git, SHA))
      expect([path, print].every((one) => one !== undefined)).toBe(true);
  },
  flaggedFiles,
  (git) => refuseNamesThatAreNoText(git, SHA),
  secretsOfSettings,
  async (git) => {
    const remote = { attempt: () => git.attempt([]), text: () => git.text([], '') };
    return resolveRef({ remote, live: git, gitIn: () => git }, 'main', 'any');
  },
];

const PROCESS = {
  pid: 7,
  name: 'shop',
  pm_id: 0,
  pm2_env: {
    name: 'shop', pm_id: 0, status: 'online', restart_time: 1, created_at: 1, pm_uptime: 2, pm_cwd: '/srv/shop', instances: 2,
    pm_exec_path: '/srv/shop/a.js', args: ['a'], node_args: ['--require', '/x'], exec_mode: 'cluster_mode', env: { A: 'b', PORT: '1' },
  },
}; // biome-ignore format: a list reads best packed

const file = (name: string, text: string): string => {
  writeFileSync(join(scratch, name), text);
  return scratch;
};
const fixture = (name: string): string => readFileSync(join(ROOT, 'test/fixtures/state-0.1.0', name), 'utf8');
const rpcThat = (answer: unknown): Rpc => ({ call: async () => answer }) as unknown as Rpc;

const HOST: Record<string, Parser & { parse(text: string, rand: Random): unknown }> = {
  "an upload's list": {
    seeds: [`${SHA} 12\n${'b'.repeat(40)} 0\n`, ''],
    own: Error,
    parse(text) {
      const listed = parseUploadList(text);
      for (const { id, size } of listed) expect([/^[0-9a-f]{40}$/.test(id), size >= 0]).toEqual([true, true]);
      expect(lackingBits(listed, new Set([SHA]))).toHaveLength(Math.ceil(listed.length / 8));
    },
  },
  "PM2's list": {
    seeds: [JSON.stringify([PROCESS, PROCESS]), '[]'],
    own: DeployFailure,
    parse(text) {
      const value = jsonOf(text);
      if (value === undefined) return;
      for (const one of parseList(value)) {
        expect([one.name, one.status, one.cwd, one.script].every((field) => typeof field === 'string')).toBe(
          true,
        );
        expect([one.pid, one.pmId, one.restartTime].every(Number.isFinite)).toBe(true);
      }
    },
  },
  "messages of PM2's sockets": {
    seeds: [
      encodeMessage(['log:err', { data: 'x', process: { name: 'shop' } }]),
      encodeMessage([{ a: [1] }]),
    ].map((bytes) => bytes.toString('latin1')),
    own: SyntaxError,
    parse(text, rand) {
      const reader = new MessageReader(() => {});
      for (const chunk of chunksOf(rand, Buffer.from(text, 'latin1'))) reader.write(chunk);
    },
  },
  "the log of PM2's daemon": {
    seeds: [
      'Error: x\n    at y\nPM2        | App [shop:0] exited with code [1]\n2026-01-01T00:00:00: PM2 log: App [shop:1] exited with code',
    ],
    own: NeverError,
    parse: (text) => wordsInDaemonLog(text.split('\n'), ['shop']),
  },
  'lines of a command': {
    seeds: [`one\rtwo\r\n${'x'.repeat(5_000)}\nżółw`, '\r\r\n\n'],
    own: NeverError,
    parse(text, rand) {
      const lines: string[] = [];
      const splitter = new LineSplitter((line) => lines.push(line));
      for (const chunk of chunksOf(rand, Buffer.from(text))) splitter.write(chunk);
      splitter.end();
      for (const line of lines) expect(line).not.toMatch(/\n/);
      expect(lines.join('').length).toBeLessThanOrEqual(text.length);
    },
  },
  'the journal': {
    seeds: [fixture('journal.ndjson')],
    own: DeployFailure,
    parse(text) {
      const entries = openJournal(file('journal.ndjson', text)).entries();
      unfinished(entries);
      versionStack(entries);
      goodVersions(entries);
      for (const { state } of entries) expect(STATES).toContain(state);
    },
  },
  'the record of a deploy under way': {
    seeds: [fixture('transaction.json')],
    own: DeployFailure,
    parse: (text) => loadTransaction(file('transaction.json', text)),
  },
  'the record of the version that runs': {
    seeds: [fixture('current.json')],
    own: DeployFailure,
    parse: (text) => loadCurrent(file('current.json', text)),
  },
  'the record of what a build made': {
    seeds: [fixture('built-second-deploy.json')],
    own: DeployFailure,
    parse: (text) => loadRecord(file('built.json', text), 'built.json'),
  },
  "a canary's report": {
    seeds: ['{"port":3000,"at":41000,"ms":120}\n{"ready":true,"ms":130}\n', 'null\n7\n'],
    own: NeverError,
    parse(text) {
      const { listens, readyMs } = readReport(join(file('report', text), 'report'));
      for (const { at, ms } of listens) expect([at, ms].every((one) => typeof one === 'number')).toBe(true);
      expect(readyMs === null || typeof readyMs === 'number').toBe(true);
    },
  },
  'the events of a killed program': {
    seeds: [`${json.join('\n')}\n`, 'null\n'],
    own: NeverError,
    parse(text) {
      expect(STATES).toContain(lastState(file('events.ndjson', text)));
    },
  },
};

describe.each([
  ['the runner', RUNNER],
  ['the host program', HOST],
])('%s takes any bytes', (_who, parsers) => {
  test.each(Object.entries(parsers))(
    '%s',
    (name, { seeds, parse, own }) => {
      const rand = fuzzRandom(name);
      for (const text of seeds) outcome(() => parse(text, rand), own, text);
      for (let run = 0; run < RUNS; run += 1) {
        const text = mutated(rand, pick(rand, seeds), seeds);
        const found = outcome(() => parse(text, rand), own, text);
        if ('error' in found) expect(found.error.message.length, text).toBeLessThan(1_500);
      }
    },
    fuzzTimeout(RUNS),
  );
});

test(
  "git's output and PM2's dump",
  async () => {
    const rand = fuzzRandom('git and the dump');
    for (let run = 0; run < RUNS; run += 1) {
      const text = mutated(rand, pick(rand, GIT_OUTPUT), GIT_OUTPUT);
      await outcomeOf(() => pick(rand, READERS_OF_GIT)(gitThat(text)), DeployFailure, text);
      if (run % 4 !== 0) continue;
      const dump = mutated(rand, JSON.stringify([PROCESS.pm2_env, { name: 'other' }, null]));
      file('dump.pm2', dump);
      await outcomeOf(() => saveApps(rpcThat(jsonOf(dump)), scratch, ['shop'], 1_000), DeployFailure, dump);
    }
  },
  fuzzTimeout(RUNS),
);

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** A host whose `sh` reads the nonce, answers with the text that lies there, and is over. */
describe('a whole session with a host that answers anything', () => {
  const SESSIONS = Math.ceil(RUNS / 6);
  let ssh: EmbeddedSsh;
  let connection: Connection;
  beforeAll(async () => {
    // After the first nonce it hears what the runner says, as a host does, but not for long.
    // After the first nonce it hears what the runner says, as a host does, but not for long.
    const fake = `#!/bin/bash
read -r n
while IFS= read -r -d "" part <&4; do
  printf %s "$part$n"
  [ -n "$heard" ] || { echo; read -r -t "$(cat "$HOME/patience")"; }
  heard=1
done 4< "$HOME/answer"
printf %s "$part"
`;
    writeFileSync(join(scratch, 'sh'), fake, { mode: 0o755 });
    ssh = await startEmbeddedSsh(scratch, { PATH: `${scratch}:/usr/bin:/bin`, HOME: scratch });
    connection = await connect({
      label: LABEL,
      host: '127.0.0.1',
      shownHost: null,
      port: Number(ssh.access.port),
      username: ssh.access.username,
      key: readPrivateKey(ssh.access.key, null),
      password: null,
      agent: null,
      hostKey: { kind: 'fingerprints', list: [ssh.fingerprint] },
      hops: [],
      timeout: 10_000,
    });
  });
  afterAll(async () => {
    await connection?.close();
    await ssh?.stop();
  });

  test(
    'ends with a result, as lost, or with an error of its own',
    async () => {
      const rand = fuzzRandom('sessions');
      const opening = { protocol: 1, program: '', plan: somePlan({ ref: SHA }) } as never;
      let at = 0;
      const frames = json.map((one) => {
        at += Buffer.byteLength(one) + 1;
        return `\nNONCE event ${at} ${one}\n`;
      });
      const seeds = [
        `\npm2-ssh-deploy-ready NONCE\n\nNONCE started\n${frames.join('')}`,
        '\npm2-ssh-deploy-ready NONCE\n\nNONCE no-node x\n',
      ];
      const kinds = new Set<string>();
      for (let run = 0; run < SESSIONS; run += 1) {
        const text = run < seeds.length ? (seeds[run] ?? '') : mutated(rand, pick(rand, seeds), seeds);
        writeFileSync(join(scratch, 'patience'), run < seeds.length ? '10' : '0.02');
        writeFileSync(join(scratch, 'answer'), `${text.replaceAll('\0', '').replaceAll('NONCE', '\0')}`);
        const found = await outcomeOf(
          async () => {
            const shell = await openShell(connection, 5_000, null);
            const log = { say: () => {}, warn: () => {}, event: () => {} };
            const cancelled = new AbortController().signal;
            const options = {
              label: LABEL,
              plan: somePlan({ ref: SHA }),
              shellInit: null,
              log,
              mayGo: async () => {},
              cancelled,
            };
            return follow(shell, opening, startCourse(options, { begun: false }));
          },
          SessionError,
          text,
        );
        kinds.add('error' in found ? 'error' : found.result.kind);
        if ('error' in found) expect(found.error.message, text).not.toMatch(CONTROL);
      }
      expect([...kinds]).toEqual(expect.arrayContaining(['error', 'lost', 'result']));
    },
    fuzzTimeout(RUNS),
  );
});
