import { basename } from 'node:path';
import { type DeployApp, expectedInstances, scriptOf } from '../pm2/app-config.ts';
import { RUNS_SOURCE, type Started, settingsInstead, startedByLauncher } from './start-script.ts';

interface Known {
  /** Whether it accepts connections, as far as is known. */
  serves: boolean;
  /** Whether it can be handed over in fork mode. */
  sharesPort: boolean;
  /** The `scripts` of its package.json. */
  scripts: Readonly<Record<string, string>>;
}

/** What of an app's settings may cost its users something in a deploy, each with the line to change. */
export function adviseOn(app: DeployApp, { serves, sharesPort, scripts }: Known): string[] {
  const { count, mode } = expectedInstances(app);
  const advice = [
    app.watch === true || Array.isArray(app.watch)
      ? 'watch is on, so PM2 restarts it while its files are swapped: set "watch: false"'
      : null,
    // An app that does not serve, or has a clock, may be meant to end: then it would run again and again.
    app.autorestart === false && serves && !app.cron_restart
      ? 'autorestart is off, so PM2 leaves it down after a crash: set "autorestart: true"'
      : null,
    serves && mode === 'fork' && !sharesPort ? adviseOnFork(app, scripts) : null,
    mode === 'cluster' ? adviseOnLauncher(app, scripts) : null,
    serves && mode === 'cluster' && count === 1
      ? 'with one instance a slow start can cost requests: set "instances: 2"'
      : null,
  ];
  return advice.flatMap((text) => (text === null ? [] : `'${app.name}': ${text}.`));
}

const GAP = 'in fork mode PM2 stops it before it starts the new version, and refuses connections meanwhile';

/** Cluster mode is for a JavaScript file that PM2 starts itself. */
function adviseOnFork(app: DeployApp, scripts: Known['scripts']): string | null {
  const behind = startedByLauncher(app, scripts)?.started ?? startedByInterpreter(app);
  if (behind !== null) return `${GAP}: ${settingsInstead(behind)}`;
  return isJavaScript(app) ? `${GAP}: set "exec_mode: 'cluster', instances: 2"` : null;
}

/** It can run in cluster mode as long as it listens nowhere. */
function adviseOnLauncher(app: DeployApp, scripts: Known['scripts']): string | null {
  const found = startedByLauncher(app, scripts);
  if (found === null) return null;
  return `${found.launcher} in cluster mode works for an app without a port only. If it has one, ${settingsInstead(found.started)}`;
}

function startedByInterpreter(app: DeployApp): Started | null {
  const interpreter = app.interpreter ?? app.exec_interpreter ?? app.execInterpreter;
  const words = [interpreter, app.node_args, app.interpreter_args, app.interpreterArgs].flat();
  const program = words
    .flatMap((word) => String(word ?? '').split(/[\s=]+/))
    .map((word) => basename(word))
    .find((word) => RUNS_SOURCE.test(word));
  return program === undefined ? null : { kind: 'source', program };
}

function isJavaScript(app: DeployApp): boolean {
  const interpreter = app.interpreter ?? app.exec_interpreter ?? app.execInterpreter;
  if (typeof interpreter === 'string' && interpreter !== '') return /(^|\/)node(@.*)?$/.test(interpreter);
  return /\.[cm]?js$|\/next$/.test(scriptOf(app) ?? '');
}
