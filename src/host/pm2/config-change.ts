import { isDeepStrictEqual } from 'node:util';
import { DeployFailure } from '../system/failure.ts';
import { realOrSame } from '../system/paths.ts';
import { type DeployApp, expectedInstances, scriptFile, scriptOf } from './app-config.ts';
import { PM2_FIELDS } from './fields.ts';
import { launcherIn } from './launcher.ts';
import type { Instance, Json } from './list.ts';
import { killTimeoutOf, listenTimeoutOf } from './timeouts.ts';

/**
 * What it takes until PM2 runs an app as its config says, beyond what PM2's own reload applies. `reasons` are
 * differences in words, with no value of a variable in them.
 */
export type Change =
  | { kind: 'nothing' }
  /** The reload that a deploy makes brings it about (`pm2/whole-reload.ts`). */
  | { kind: 'reload'; reasons: string[] }
  /** That reload, and instances are added or removed. */
  | { kind: 'scale up' | 'scale down'; by: number; reasons: string[] }
  /** Nothing but a stop and a start does. */
  | { kind: 'recreate'; outage: number; reasons: string[] };

export interface AppChange {
  app: DeployApp;
  change: Change;
  /** Its instances now, in the order of their numbers. */
  running: Instance[];
  /** Variables that the last deploy gave it, that it still has, and that the config has no more. */
  removed: string[];
}

/** Compares what runs with the config. `last` is the config of the deploy that was verified last, where there is one. */
export function configChanges(
  config: readonly DeployApp[],
  instances: readonly Instance[],
  last: readonly DeployApp[],
): AppChange[] {
  return config.map((app) => {
    const running = inOrder(instances.filter((one) => one.name === app.name && !one.module));
    const old = last.find(({ name }) => name === app.name) ?? null;
    const removed = old === null ? [] : removable(running, namesOf(old), namesOf(app));
    return { app, running, removed, change: changeOf(app, running, old, removed) };
  });
}

function changeOf(
  app: DeployApp,
  running: readonly Instance[],
  last: DeployApp | null,
  removed: readonly string[],
): Change {
  const [first] = running;
  if (first === undefined) return { kind: 'nothing' };
  const structure = structuralReasons(app, first, last);
  const settings = [
    ...unappliedSettings(app, running),
    ...(last === null ? [] : changedSettings(app, last)),
    ...removed.map((name) => `variable ${name} removed`),
  ];
  if (structure.length > 0)
    return { kind: 'recreate', outage: outageOf(app, running), reasons: [...structure, ...settings] };
  const { count } = expectedInstances(app);
  if (count !== running.length) {
    const byHand = last !== null && expectedInstances(last).count === count;
    const reason = `instances ${running.length} -> ${count}${byHand ? ' (changed on the server; the file decides)' : ''}`;
    const by = Math.abs(count - running.length);
    return { kind: count > running.length ? 'scale up' : 'scale down', by, reasons: [reason, ...settings] };
  }
  return settings.length > 0 ? { kind: 'reload', reasons: settings } : { kind: 'nothing' };
}

/** What is settled for good when PM2 starts an app. */
function structuralReasons(app: DeployApp, first: Instance, last: DeployApp | null): string[] {
  const { mode } = expectedInstances(app);
  const given = app.exec_mode ?? app.execMode ?? app.execute_command;
  // Where the file leaves the mode to PM2 and says what it said before, PM2 has chosen what runs.
  const asBefore = given === undefined && last !== null && expectedInstances(last).mode === mode;
  const reasons = first.execMode === mode || asBefore ? [] : [`exec_mode ${first.execMode} -> ${mode}`];
  const launcher = launcherIn(first.script) ?? launcherIn(scriptOf(app) ?? '');
  // The app is the launcher's child and has the port for itself, so that no two instances can overlap.
  if (launcher !== null && first.execMode === 'cluster' && mode === 'cluster')
    reasons.push(`${launcher} in cluster mode, which keeps the port until it ends`);
  for (const [name, byDefault] of [
    ['instance_var', 'NODE_APP_INSTANCE'],
    ['increment_var', null],
  ] as const) {
    const [old, now] = [first.settings[name] ?? byDefault, app[name] ?? byDefault];
    if (old !== now) reasons.push(`${name} ${old ?? 'none'} -> ${now ?? 'none'}`);
  }
  // It can be ended, but begins with a start alone.
  if (watches(app.watch) && !watches(first.watch)) reasons.push('watch off -> on');
  return reasons;
}

function watches(watch: Json | undefined): boolean {
  return watch !== undefined && watch !== null && watch !== false && watch !== '';
}

/** Instances that PM2 watches, and is not to watch any more. */
export function watchedInVain({ app, running }: AppChange): Instance[] {
  return watches(app.watch) ? [] : running.filter((one) => watches(one.watch));
}

/** Settings that PM2's own reload leaves, as far as what runs shows them. */
export function unappliedSettings(app: DeployApp, running: readonly Instance[]): string[] {
  const script = scriptFile(app);
  const differs = (find: (one: Instance) => boolean): Instance | undefined => running.find(find);
  const cwd = differs((one) => realOrSame(one.cwd) !== realOrSame(app.cwd));
  const file = differs((one) => script !== null && realOrSame(one.script) !== realOrSame(script));
  const waits = differs((one) => one.waitReady && (app.wait_ready ?? app.waitReady) !== true);
  return [
    ...(cwd === undefined ? [] : [`cwd ${cwd.cwd} -> ${app.cwd}`]),
    ...(file === undefined ? [] : [`script ${file.script} -> ${script}`]),
    ...(waits === undefined ? [] : ['wait_ready true -> false']),
    ...(!watches(app.watch) && running.some((one) => watches(one.watch)) ? ['watch on -> off'] : []),
  ];
}

/** PM2's own reload leaves these whatever the file says. */
const NEVER_APPLIED = /^((out|err|error|log|pid)(_file|_log)?|output|interpreter|exec_?interpreter)$/i;
/** Compared with what runs, or given by PM2 where the file has none: `vizion` and the like. */
const NOT_REMOVED =
  /^(name|script|exec|cmd|command|cwd|env(_.*)?|instances|exec_?mode|wait_?ready|(instance|increment)_var|watch|autostart|autorestart|vizion|pmx|automation|treekill|windows_?hide|kill_?retry_?time)$/i;

/** Settings that PM2's own reload leaves, of which only the two files tell. */
function changedSettings(app: DeployApp, last: DeployApp): string[] {
  return [...new Set([...Object.keys(last), ...Object.keys(app)])]
    .filter((name) => !NOT_REMOVED.test(name) && !isDeepStrictEqual(app[name], last[name]))
    .filter((name) => NEVER_APPLIED.test(name) || app[name] === undefined)
    .map((name) => `${name} ${app[name] === undefined ? 'removed' : 'changed'}`);
}

/** Of these variables, those that an instance has and the new version has not. */
export function removable(
  running: readonly Instance[],
  candidates: readonly string[],
  kept: readonly string[],
): string[] {
  const present = new Set(running.flatMap(({ env }) => Object.keys(env)));
  // A variable under the name of one of PM2's own fields cannot be told from that field.
  return [...new Set(candidates)].filter(
    (name) => present.has(name) && !kept.includes(name) && !PM2_FIELDS.has(name),
  );
}

/** Variables that the config names, for whatever `--env`. */
function namesOf(app: DeployApp): string[] {
  return Object.keys(app)
    .filter((key) => key === 'env' || key.startsWith('env_'))
    .flatMap((key) => Object.keys(app[key] ?? {}));
}

/** The numbers count, not PM2's ids: what an app does in its first instance alone must go on. */
function inOrder(instances: Instance[]): Instance[] {
  const numberOf = ({ instanceNumber, pmId }: Instance): number => instanceNumber ?? pmId;
  return instances.sort((a, b) => numberOf(a) - numberOf(b) || a.pmId - b.pmId);
}

/** The longest that a stop and a start should take, in milliseconds, by the app's own limits or PM2's. */
function outageOf(app: DeployApp, running: readonly Instance[]): number {
  return listenTimeoutOf(app) + Math.max(...running.map(killTimeoutOf));
}

/** What will be done about the differences, one sentence for each app that has any. */
export function foretell(changes: readonly AppChange[]): string[] {
  return changes.flatMap(({ app, change }) => {
    if (change.kind === 'nothing') return [];
    const what = `'${app.name}': ${change.reasons.join('; ')}`;
    switch (change.kind) {
      case 'reload':
        return `${what}. PM2's own reload ignores that; this deploy applies it.`;
      case 'scale up':
        return `${what}. ${change.by} will be added when the others run the new version.`;
      case 'scale down':
        return `${what}. The last ${change.by} will be removed when the others run the new version.`;
      case 'recreate':
        return `${what}. This needs a stop and a start. Expect up to ${Math.ceil(change.outage / 1000)} s of refused connections.`;
      default:
        return [];
    }
  });
}

/** For `on-config-change: fail`. */
export function refuseChanges(changes: readonly AppChange[]): void {
  const found = changes.flatMap(({ app, change, running }) =>
    change.kind === 'nothing'
      ? []
      : [{ what: `'${app.name}': ${change.reasons.join('; ')}`, command: commandFor(app, change, running) }],
  );
  if (found.length === 0) return;
  throw new DeployFailure(
    `PM2's reload would not apply these changes of the ecosystem file: ${found.map(({ what }) => what).join('. ')}.`,
    {
      remedy: `Run on the server ${found.map(({ command }) => `'${command}'`).join(' and ')}. Then run this job again. Or set on-config-change to apply, and the deploy does it.`,
    },
  );
}

function commandFor(app: DeployApp, change: Change, running: readonly Instance[]): string {
  const onlyCount = change.kind !== 'nothing' && change.reasons.length === 1;
  if (change.kind === 'scale up' && onlyCount) return `pm2 scale ${app.name} ${running.length + change.by}`;
  if (change.kind === 'scale down' && onlyCount) {
    // PM2's own scale would remove the first ones.
    return `pm2 delete ${running
      .slice(-change.by)
      .map(({ pmId }) => pmId)
      .join(' ')}`;
  }
  return `pm2 delete ${app.name}`;
}
