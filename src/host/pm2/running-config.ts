import type { AppConfig } from './app-config.ts';
import type { Instance, Json } from './list.ts';

/**
 * The config that makes PM2 run again what it runs now: one app for each name, with as many instances as there are.
 * It is secret, since it holds the apps' environment. Our own deploy id is not in it: whoever restores sets one.
 *
 * A start from it gives what the list says, but for what PM2 alone decides (ids, counters, times).
 */
export function baselineConfig(instances: readonly Instance[]): AppConfig[] {
  const byName = new Map<string, Instance[]>();
  for (const instance of instances) {
    if (instance.module) continue;
    byName.set(instance.name, [...(byName.get(instance.name) ?? []), instance]);
  }
  return [...byName.values()].map((same) => appOf(same));
}

function appOf(same: readonly Instance[]): AppConfig {
  // The first one: PM2 numbers log files, and counts an `increment_var`, from it on.
  const first = same.reduce((one, other) => (other.pmId < one.pmId ? other : one));
  const files: Record<string, Json> = {};
  if (first.outLogPath !== null) files.out_file = first.outLogPath;
  if (first.errLogPath !== null) files.error_file = first.errLogPath;
  if (first.logPath !== null) files.log_file = first.logPath;
  if (first.pidPath !== null) files.pid_file = first.pidPath;
  return {
    ...first.settings,
    ...files,
    name: first.name,
    script: first.script,
    cwd: first.cwd,
    args: first.args,
    node_args: first.nodeArgs,
    interpreter: first.interpreter,
    exec_mode: first.execMode,
    instances: same.length,
    env: { ...first.env },
    // PM2 would add the variables of its caller. Every name contains the empty text, so this filter drops them all.
    filter_env: [''],
  };
}
