import { resolve } from 'node:path';
import { build } from 'vite';
import { ACCOUNTS } from '../../src/protocol.ts';
import { packProgram } from '../../src/runner/session/packed-program.ts';

/** The real follower, and a stand-in for the host program, packed. */
export async function packedProgram(run: string): Promise<string> {
  return packProgram({ follower: await followerProgram(), host: hostProgram(run) });
}

/**
 * The text of a stand-in for the host program: `run` and `resume` are JavaScript that is carried out by
 * `host.js run <runDir>` and `host.js resume <runDir>` with `plan`, `runDir`, `emit(event)` and `heard(type): Promise<Control>` at hand.
 */
export function hostProgram(run: string, resume = ''): string {
  const command = (name: string, body: string): string =>
    `if (process.argv[2] === '${name}' && require.main === module) main(async () => {\n${body}\n});\n`;
  return `${PROLOGUE}\n${command('run', run)}${command('resume', resume)}`;
}

/** The part of the real host program that takes an upload. */
export function receivingProgram(): Promise<string> {
  return bundle('upload/receive.ts');
}

/** The text of the real follower. */
export let followerProgram = (): Promise<string> => {
  const text = bundle('program/follower.ts');
  followerProgram = () => text;
  return text;
};

async function bundle(file: string): Promise<string> {
  const result = await build({
    configFile: false,
    logLevel: 'silent',
    build: {
      ssr: resolve(import.meta.dirname, '../../src/host', file),
      write: false,
      minify: false,
      target: 'node16',
      rollupOptions: { output: { format: 'cjs' } },
    },
  });
  const [output] = Array.isArray(result) ? result : [result];
  if (output === undefined || !('output' in output)) throw new Error('vite built nothing');
  return output.output[0].code;
}

const PROLOGUE = `
const standInFs = require('node:fs');
let plan;
const runDir = process.argv[3];
const emit = (event) => standInFs.appendFileSync(runDir + '/events.ndjson', JSON.stringify(event) + '\\n');
const heard = (type) => new Promise((resolve) => {
  const timer = setInterval(() => {
    let text = '';
    try { text = standInFs.readFileSync(runDir + '/control.ndjson', 'utf8'); } catch {}
    const found = text.split('\\n').filter(Boolean).map((line) => JSON.parse(line)).find((message) => message.type === type);
    if (found) { clearInterval(timer); resolve(found); }
  }, 5);
});
const result = (outcome) => ({ mode: plan.mode, outcome, sha: 'a'.repeat(40), previousSha: null, target: null, commit: null, previousRun: '', instances: 0, outdated: [], asked: false, apps: null, states: [], unhealthy: null, durationMs: 1,
  spent: ${JSON.stringify(Object.fromEntries(ACCOUNTS.map((account) => [account, 0])))},
  versions: { node: process.version, pm2: '0' }, requests: null, failure: null, standing: null });
function main(body) {
  let text = '';
  process.stdin.on('data', (chunk) => { text += chunk; });
  process.stdin.on('end', () => { plan = JSON.parse(text); body(); });
}
`;
