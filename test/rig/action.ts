import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parse } from 'yaml';
import { BUILD_FAILURE, ROOT } from './places.ts';
import { interpretLog, type LogCommand, parseFileCommand } from './runner-log.ts';

export interface ActionOptions {
  /** As under `with:` in a workflow; what is not given gets its default from action.yml. */
  inputs: Record<string, string>;
  /** The event's name (default `push`) and its payload. */
  event?: { name: string; payload?: unknown };
  /** Further environment; it wins over what a runner sets. */
  env?: Record<string, string>;
  /** What to run instead of the built action. */
  script?: string;
}

export interface ActionRun {
  /** Null where a signal ended it. */
  code: number | null;
  stdout: string;
  stderr: string;
  /** Set by file, or by a command in the log: the runner still takes both. */
  outputs: Record<string, string>;
  /** Names of outputs that a job could not pass on, because they contain a text that the step masked. */
  droppedOutputs: string[];
  /** Empty where the runner would drop it. */
  summary: string;
  /** What the runner carries out from stdout, then from stderr. */
  commands: LogCommand[];
  /** What the step added to `$GITHUB_ENV`, `$GITHUB_STATE` and `$GITHUB_PATH`. */
  exported: { env: Record<string, string>; state: Record<string, string>; path: string[] };
  /** Wall time in milliseconds, start-up included. */
  durationMs: number;
}

export interface StartedAction {
  process: ChildProcess;
  /** All of stdout so far. */
  log(): string;
  /** Resolves once stdout matches; rejects if the action ends, or so many milliseconds pass, before that. Default: a minute. */
  says(what: RegExp, within?: number): Promise<void>;
  done: Promise<ActionRun>;
}

/** The runner drops a summary above this, in bytes. */
const SUMMARY_LIMIT = 1024 * 1024;
const SAYS_WITHIN = 60_000;
const FILES = ['OUTPUT', 'STEP_SUMMARY', 'STATE', 'ENV', 'PATH'] as const;

/** Runs the built action once, as a step of a job on GitHub's runner, and waits for its end. */
export function runAction(options: ActionOptions): Promise<ActionRun> {
  return startAction(options).done;
}

/** Starts the built action as a step and returns at once, for tests that cancel or kill it. */
export function startAction(options: ActionOptions): StartedAction {
  const script = options.script ?? builtAction();
  const temp = mkdtempSync(path.join(os.tmpdir(), 'step-'));
  const file = (name: string): string => path.join(temp, name.toLowerCase());
  for (const name of FILES) writeFileSync(file(name), '');
  for (const name of ['home', 'temp', 'workspace']) mkdirSync(file(name));
  writeFileSync(file('event.json'), JSON.stringify(options.event?.payload ?? {}));

  const context: Record<string, string> = {
    ...contextOf(temp, options.event?.name ?? 'push'),
    ...Object.fromEntries(FILES.map((name) => [`GITHUB_${name}`, file(name)])),
    ...options.env,
  };
  const started = performance.now();
  const child = spawn(process.execPath, [script], {
    cwd: context.GITHUB_WORKSPACE ?? file('workspace'),
    env: { ...inputVariables(options.inputs, context), ...context },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const done = new Promise<ActionRun>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => {
      const durationMs = performance.now() - started;
      const read = (name: (typeof FILES)[number]): string => readFileSync(file(name), 'utf8');
      try {
        const commands = [...interpretLog(stdout), ...interpretLog(stderr)];
        const outputs = { ...outputsIn(commands), ...parseFileCommand(read('OUTPUT')) };
        resolve({
          code,
          stdout,
          stderr,
          outputs,
          droppedOutputs: dropped(outputs, commands),
          summary: Buffer.byteLength(read('STEP_SUMMARY')) > SUMMARY_LIMIT ? '' : read('STEP_SUMMARY'),
          commands,
          exported: {
            env: parseFileCommand(read('ENV')),
            state: parseFileCommand(read('STATE')),
            path: read('PATH').split('\n').filter(Boolean),
          },
          durationMs,
        });
      } catch (error) {
        reject(error);
      } finally {
        rmSync(temp, { recursive: true, force: true });
      }
    });
  });
  const says: StartedAction['says'] = (what, within = SAYS_WITHIN) =>
    new Promise((resolve, reject) => {
      const settle = (problem?: string): void => {
        clearTimeout(timer);
        child.stdout.off('data', look);
        child.off('close', ended);
        if (problem === undefined) resolve();
        else reject(new Error(`${problem} before its log had ${what}.`));
      };
      const look = (): void => {
        if (what.test(stdout)) settle();
      };
      const ended = (): void => settle('The action ended');
      const timer = setTimeout(() => settle(`${within / 1000} s passed`), within);
      child.stdout.on('data', look);
      child.once('close', ended);
      look();
    });
  const action = { process: child, log: () => stdout, says, done };
  unseen.push(action);
  return action;
}

const unseen: StartedAction[] = [];

/** The actions that were started since it was last asked. */
export function startedSince(): StartedAction[] {
  return unseen.splice(0);
}

function builtAction(): string {
  const failure = process.env[BUILD_FAILURE];
  if (failure) throw new Error(`The action could not be built, so it cannot be run: ${failure}`);
  const script = path.join(ROOT, 'dist', 'index.js');
  if (!existsSync(script)) throw new Error('dist/index.js is not there: run `npm run build` first.');
  return script;
}

/** What a runner sets for every step, made up but of the right form. */
function contextOf(temp: string, event: string): Record<string, string> {
  return {
    CI: 'true',
    GITHUB_ACTION: '__self',
    GITHUB_ACTIONS: 'true',
    GITHUB_ACTOR: 'octocat',
    GITHUB_API_URL: 'https://api.github.com',
    GITHUB_EVENT_NAME: event,
    GITHUB_EVENT_PATH: path.join(temp, 'event.json'),
    GITHUB_JOB: 'deploy',
    GITHUB_REF: 'refs/heads/main',
    GITHUB_REF_NAME: 'main',
    GITHUB_REPOSITORY: 'octocat/shop',
    GITHUB_REPOSITORY_OWNER: 'octocat',
    GITHUB_RUN_ATTEMPT: '1',
    GITHUB_RUN_ID: '4711',
    GITHUB_RUN_NUMBER: '17',
    GITHUB_SERVER_URL: 'https://github.com',
    GITHUB_SHA: '0'.repeat(40),
    GITHUB_WORKFLOW: 'Deploy',
    GITHUB_WORKSPACE: path.join(temp, 'workspace'),
    HOME: path.join(temp, 'home'),
    LANG: 'C.UTF-8',
    PATH: process.env.PATH ?? '',
    RUNNER_ARCH: 'X64',
    RUNNER_NAME: 'rig',
    RUNNER_OS: 'Linux',
    RUNNER_TEMP: path.join(temp, 'temp'),
    RUNNER_TOOL_CACHE: path.join(temp, 'temp'),
  };
}

/** `INPUT_*` of all inputs: given ones, known or not, and the defaults of action.yml for the rest. */
function inputVariables(
  given: Record<string, string>,
  context: Record<string, string>,
): Record<string, string> {
  const manifest = parse(readFileSync(path.join(ROOT, 'action.yml'), 'utf8')) as {
    inputs?: Record<string, { default?: string | number | boolean } | null>;
  };
  const values: Record<string, string> = {};
  for (const [name, input] of Object.entries(manifest.inputs ?? {})) {
    values[name] = evaluate(String(input?.default ?? ''), context);
  }
  Object.assign(values, given);
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => [
      `INPUT_${name.replaceAll(' ', '_').toUpperCase()}`,
      value,
    ]),
  );
}

/** A default may be an expression; of those the rig knows `github.token` and what the environment names. */
function evaluate(value: string, context: Record<string, string>): string {
  return value.replace(/\$\{\{\s*(.*?)\s*\}\}/g, (expression, inner: string) => {
    const name = /^github\.([a-z_]+)$/.exec(inner)?.[1];
    const known = name === 'token' ? 'ghs_madeUpTokenOfTheTestRig' : context[`GITHUB_${name?.toUpperCase()}`];
    if (known === undefined)
      throw new Error(`the rig does not know the expression ${expression} in action.yml`);
    return known;
  });
}

function outputsIn(commands: LogCommand[]): Record<string, string> {
  const set = commands.filter((command) => command.name === 'set-output');
  return Object.fromEntries(set.map((command) => [command.properties.name ?? '', command.data]));
}

function dropped(outputs: Record<string, string>, commands: LogCommand[]): string[] {
  const masks = commands
    .filter((command) => command.name === 'add-mask')
    .flatMap((command) => [command.data, ...command.data.split(/\r\n|\n|\r/)])
    .filter((mask) => mask.trim() !== '');
  return Object.keys(outputs).filter((name) => masks.some((mask) => outputs[name]?.includes(mask)));
}
