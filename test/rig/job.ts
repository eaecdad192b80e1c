import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { convertWorkflowTemplate, NoOperationTraceWriter, parseWorkflow } from '@actions/workflow-parser';
import { parse } from 'yaml';
import { type ActionRun, type StartedAction, startAction } from './action.ts';
import { type Contexts, evaluateText, holds } from './expressions.ts';
import { ROOT } from './places.ts';

export interface WorkflowOptions {
  /** `payload` is what `github.event` has beside the inputs. */
  event?: { name: string; inputs?: Record<string, string>; payload?: Record<string, unknown> };
  vars?: Record<string, string>;
  secrets?: Record<string, string>;
  /** What the runner sets otherwise than the rig does, such as `GITHUB_SERVER_URL`. */
  env?: Record<string, string>;
  /** Somebody cancels the job as soon as the log of a step has this. */
  cancelAt?: RegExp;
  /** The programs behind `uses`, by its text up to the `@`. This action is known. */
  actions?: Record<string, Action>;
}

export interface Action {
  main: string;
  post?: string;
}

export interface JobRun {
  /** The job's key in the workflow. */
  job: string;
  matrix: Record<string, string>;
  result: 'success' | 'failure' | 'cancelled' | 'skipped';
  steps: StepRun[];
  /** In the order in which they ran. */
  posts: ActionRun[];
  outputs: Record<string, string>;
}

export interface StepRun {
  outcome: 'success' | 'failure' | 'cancelled' | 'skipped';
  /** Null where it was skipped. */
  run: ActionRun | null;
}

interface Step {
  id?: string;
  if?: string;
  uses?: string;
  run?: string;
  with?: Record<string, unknown>;
  env?: Record<string, unknown>;
  'continue-on-error'?: boolean;
}

interface Job {
  if?: string;
  needs?: string | string[];
  env?: Record<string, unknown>;
  outputs?: Record<string, string>;
  steps: Step[];
  strategy?: { matrix?: Record<string, unknown[]> };
}

interface Workflow {
  env?: Record<string, unknown>;
  jobs: Record<string, Job>;
}

const OURS: Record<string, Action> = {
  'OWNER/pm2-ssh-deploy': {
    main: path.join(ROOT, 'dist/index.js'),
    post: path.join(ROOT, 'dist/post.js'),
  },
};

/**
 * Runs a workflow as it is written, with GitHub's own parser and evaluator: jobs after those that they need, the legs of a
 * matrix one by one, steps with what the steps before them set, posts in reverse order. Throws if it is no valid workflow.
 */
export async function runWorkflow(text: string, options: WorkflowOptions = {}): Promise<JobRun[]> {
  await validate(text);
  const workflow = parse(text) as Workflow;
  const runs: JobRun[] = [];
  const left = new Map(Object.entries(workflow.jobs));
  while (left.size > 0) {
    for (const [name, job] of left) {
      const needs = [job.needs ?? []].flat();
      if (needs.some((need) => left.has(need))) continue;
      left.delete(name);
      const before = Object.fromEntries(needs.map((need) => [need, needOf(runs, need)]));
      for (const matrix of legsOf(job)) runs.push(await runJob(workflow, name, matrix, before, options));
    }
  }
  return runs;
}

async function validate(text: string): Promise<void> {
  const { context, value } = parseWorkflow(
    { name: 'workflow.yml', content: text },
    new NoOperationTraceWriter(),
  );
  if (value !== undefined) await convertWorkflowTemplate(context, value);
  const errors = context.errors.getErrors();
  if (errors.length > 0) throw new Error(errors.map(({ message }) => message).join('\n'));
}

/** What a later job sees of an earlier one: of several legs the last one's outputs, and a failure of any. */
function needOf(runs: readonly JobRun[], name: string): Pick<JobRun, 'result' | 'outputs'> {
  const legs = runs.filter(({ job }) => job === name);
  const bad = legs.find(({ result }) => result !== 'success');
  return {
    result: bad?.result ?? 'success',
    outputs: Object.assign({}, ...legs.map(({ outputs }) => outputs)),
  };
}

function legsOf({ strategy }: Job): Record<string, string>[] {
  return Object.entries(strategy?.matrix ?? {}).reduce<Record<string, string>[]>(
    (legs, [name, values]) =>
      legs.flatMap((leg) => values.map((value) => ({ ...leg, [name]: String(value) }))),
    [{}],
  );
}

async function runJob(
  workflow: Workflow,
  name: string,
  matrix: Record<string, string>,
  needs: Record<string, Pick<JobRun, 'result' | 'outputs'>>,
  options: WorkflowOptions,
): Promise<JobRun> {
  const job = workflow.jobs[name] as Job;
  const { event = { name: 'push' }, vars = {}, secrets = {} } = options;
  const payload = { ...event.payload, ...(event.inputs && { inputs: event.inputs }) };
  const github = {
    event_name: event.name,
    token: 'ghs_madeUpTokenOfTheTestRig',
    ref_name: 'main',
    run_id: '4711',
    server_url: options.env?.GITHUB_SERVER_URL ?? 'https://github.com',
    repository: options.env?.GITHUB_REPOSITORY ?? 'octocat/shop',
    event: payload,
  };
  const fixed = { github, vars, secrets, matrix, needs, inputs: event.inputs ?? {}, runner: { os: 'Linux' } };
  const done: JobRun = { job: name, matrix, result: 'success', steps: [], posts: [], outputs: {} };
  const unmet = Object.values(needs).some(({ result }) => result !== 'success');
  if (!holds(job.if, { ...fixed, env: {} }, { failed: unmet, cancelled: false }))
    return { ...done, result: 'skipped' };

  const env: Record<string, string> = {};
  const steps: Record<string, unknown> = {};
  const contexts = (): Contexts => ({ ...fixed, env, steps, job: { status: done.result } });
  const evaluated = (texts: Record<string, unknown> = {}): Record<string, string> =>
    Object.fromEntries(
      Object.entries(texts).map(([key, text]) => [key, evaluateText(String(text), contexts())]),
    );
  Object.assign(env, evaluated(workflow.env));
  Object.assign(env, evaluated(job.env));

  const start = (script: string, step: Step, more: Record<string, string>): StartedAction =>
    startAction({
      script,
      inputs: evaluated(step.with),
      event: { name: event.name, payload },
      env: { ...options.env, ...env, ...evaluated(step.env), ...more },
    });
  const posts: (() => Promise<ActionRun>)[] = [];
  for (const step of job.steps) {
    if (!holds(step.if, contexts(), standingOf(done))) {
      done.steps.push({ outcome: 'skipped', run: null });
      if (step.id !== undefined) steps[step.id] = { outcome: 'skipped', conclusion: 'skipped', outputs: {} };
      continue;
    }
    const action = actionOf(step, options);
    const watch = (started: StartedAction): Promise<boolean> => cancelAt(started, options.cancelAt);
    const [run, cancelled] =
      action === null
        ? await runShell(evaluateText(step.run ?? '', contexts()), (script) =>
            endOf(start(script, step, {}), watch),
          )
        : await endOf(start(action.main, step, {}), watch);
    const outcome = cancelled ? 'cancelled' : run.code === 0 ? 'success' : 'failure';
    if (cancelled) done.result = 'cancelled';
    done.steps.push({ outcome, run });
    Object.assign(env, run.exported.env);
    if (step.id !== undefined) steps[step.id] = { outcome, outputs: run.outputs };
    if (outcome === 'failure' && step['continue-on-error'] !== true) done.result = 'failure';
    const { post } = action ?? {};
    if (post === undefined) continue;
    const state = Object.entries(run.exported.state).map(([key, value]) => [`STATE_${key}`, value]);
    // Inputs are evaluated anew when it runs.
    posts.unshift(() => start(post, step, Object.fromEntries(state)).done);
  }
  for (const post of posts) {
    const run = await post();
    done.posts.push(run);
    if (run.code !== 0 && done.result !== 'cancelled') done.result = 'failure';
  }
  done.outputs = evaluated(job.outputs);
  return done;
}

function standingOf({ result }: JobRun): Parameters<typeof holds>[2] {
  return { failed: result === 'failure', cancelled: result === 'cancelled' };
}

async function endOf(
  started: StartedAction,
  cancel: (started: StartedAction) => Promise<boolean>,
): Promise<[run: ActionRun, cancelled: boolean]> {
  const [run, cancelled] = await Promise.all([started.done, cancel(started)]);
  return [run, cancelled];
}

/** Milliseconds between the signals that GitHub's runner sends to the step that runs when somebody cancels. */
const CANCEL_SIGNALS = [
  ['SIGINT', 7_500],
  ['SIGTERM', 2_500],
  ['SIGKILL', 0],
] as const;

/** Cancels a step when its log has this, as GitHub's runner does. False if the step ended before. */
async function cancelAt(started: StartedAction, what: RegExp | undefined): Promise<boolean> {
  if (what === undefined) return false;
  const said = await started.says(what, 120_000).then(
    () => true,
    () => false,
  );
  if (!said) return false;
  let running = true;
  const ended = started.done.finally(() => {
    running = false;
  });
  for (const [signal, wait] of CANCEL_SIGNALS) {
    if (running) started.process.kill(signal);
    await Promise.race([ended, pause(wait)]);
  }
  return true;
}

function actionOf({ uses }: Step, { actions = {} }: WorkflowOptions): Action | null {
  if (uses === undefined) return null;
  const action = { ...OURS, ...actions }[uses.replace(/@.*/, '')];
  if (action === undefined) throw new Error(`the rig does not have the action ${uses}`);
  return action;
}

/** As the runner runs it: from a file, and a step ends at the first command that fails. */
async function runShell<T>(text: string, start: (script: string) => Promise<T>): Promise<T> {
  const directory = mkdtempSync(path.join(os.tmpdir(), 'shell-'));
  const [shell, starter] = [path.join(directory, 'step.sh'), path.join(directory, 'step.mjs')];
  writeFileSync(shell, text);
  writeFileSync(
    starter,
    `import { spawnSync } from 'node:child_process';\nprocess.exitCode = spawnSync('bash', ['-e', ${JSON.stringify(shell)}], { stdio: 'inherit' }).status ?? 1;\n`,
  );
  try {
    return await start(starter);
  } finally {
    rmSync(directory, { recursive: true });
  }
}
