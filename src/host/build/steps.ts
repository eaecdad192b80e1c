import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { StepName } from '../../protocol.ts';
import { type Context, inform } from '../context.ts';
import { type CommandResult, run } from '../system/command.ts';
import { DeployFailure } from '../system/failure.ts';
import { descriptorsOf } from '../system/lock.ts';
import { type Checkout, type Command, defaultBuild, defaultInstall, onPath } from './default-commands.ts';

type Default = (checkout: Checkout, env: NodeJS.ProcessEnv) => Command | null;

/** The first error of a build stands far above its end. */
const TAIL_LINES = 400;

/**
 * Steps that go on after the program was killed, as nothing ends them. They keep the deploy's locks, so that the next
 * deploy, or the one that ends this, waits for them: no two migrations at once, and no after-reload-command before them.
 */
const HOLD_LOCKS: ReadonlySet<StepName> = new Set(['migrate', 'before-reload']);

/** What a step runs where the user gave no command. */
const DEFAULTS: Partial<Record<StepName, Default>> = { install: defaultInstall, build: defaultBuild };

/**
 * Runs one step of the plan, shows what it prints, and says in the log how long it took. Throws a `DeployFailure` if it
 * fails or takes longer than `command-timeout`, and the reason of a cancel.
 */
export async function runStep(
  context: Context,
  name: StepName,
  checkout: Checkout,
  cancel: AbortSignal = context.runner.cancelled,
): Promise<void> {
  const { plan, clock, log, env } = context;
  const step = plan.steps[name];
  const command =
    step.kind === 'default'
      ? (DEFAULTS[name]?.(checkout, env) ?? null)
      : step.kind === 'command'
        ? script(context, name, step.command, checkout)
        : null;
  if (command === null) {
    if (name in DEFAULTS) inform(log, `Nothing to ${name}.`);
    return;
  }
  const result = await clock
    .book(name, () =>
      run(command.file, command.args, {
        cwd: command.cwd,
        env,
        timeLimit: plan.commandTimeout,
        cancel,
        onLine: (text) => log({ type: 'output', from: name, text }),
        tailLines: TAIL_LINES,
        inOrder: true,
        reap: true,
        holds: HOLD_LOCKS.has(name) ? descriptorsOf(context.locks) : [],
      }),
    )
    .finally(() => rmSync(scriptFile(context, name), { force: true }));
  if (result.stopped === 'cancelled') throw cancelled(name, cancel.reason);
  if (result.code !== 0) throw stepFailure(name, command.shown, result, plan.commandTimeout);
  inform(log, `${command.shown}: ${(result.durationMs / 1000).toFixed(1)} s.`);
}

const scriptFile = ({ runDir }: Context, name: StepName): string => join(runDir, `${name}-command.sh`);

/** A user's command is a script of its own: its first failing line ends it. It is in a file, and in no argument list. */
function script(context: Context, name: StepName, command: string, { workDir }: Checkout): Command {
  const file = scriptFile(context, name);
  rmSync(file, { force: true });
  // A secret that was pasted on Windows brings its line ends along.
  writeFileSync(file, `${command.replace(/\r\n/g, '\n')}\n`, { mode: 0o600 });
  return {
    file: onPath('bash', context.env) !== null ? 'bash' : 'sh',
    args: ['-e', file],
    cwd: workDir,
    shown: firstLine(command),
  };
}

/** What to know of a step that failed, beyond what it printed. */
const REMEDIES: Partial<Record<StepName, string>> = {
  migrate: 'What the command did to the database stays. Look at that before you run the job again.',
};

function stepFailure(name: StepName, shown: string, result: CommandResult, timeLimit: number): DeployFailure {
  const how =
    result.stopped === 'time limit'
      ? `did not end within ${Math.round(timeLimit / 1000)} s (command-timeout) and was stopped`
      : result.code === null
        ? `was ended by ${result.signal}`
        : `ended with exit code ${result.code}`;
  const killed = result.signal === 'SIGKILL' && result.stopped === null;
  const remedies = [
    ...(killed
      ? ["The kernel often ends a command when memory runs out: see 'dmesg | tail' on the server."]
      : []),
    ...[REMEDIES[name] ?? []].flat(),
  ];
  return new DeployFailure(`The ${name} command '${shown}' ${how}.`, {
    output: result.tail,
    remedy: remedies.length === 0 ? null : remedies.join(' '),
  });
}

/** A cancel says that nothing went live. What the command did until then is another matter. */
function cancelled(name: StepName, reason: DeployFailure): DeployFailure {
  const remedy = REMEDIES[name];
  if (remedy === undefined) return reason;
  return new DeployFailure(`${reason.message} The ${name} command was stopped before its end.`, { remedy });
}

function firstLine(command: string): string {
  const [first = '', ...rest] = command.trim().split('\n');
  return rest.length > 0 ? `${first} …` : first;
}
