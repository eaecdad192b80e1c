import { type Check, fields, oneOf, text } from '../system/checked.ts';

/**
 * How an app is started with our preload: `node_args` for what PM2 starts with Node itself, `NODE_OPTIONS` for what starts
 * Node in turn (npm, a shell script, tsx). `argument` is the one argument of Node, with no blank or quote in it.
 */
export interface Preload {
  by: 'node_args' | 'NODE_OPTIONS';
  argument: string;
}

export const preloadCheck: Check<Preload> = fields<Preload>({
  by: oneOf(['node_args', 'NODE_OPTIONS']),
  argument: text,
});

/** The directory in PM2_HOME that holds the preload, by which our argument is known whatever its version. */
export const PRELOAD_DIRECTORY = 'pm2-ssh-deploy';

const OURS = new RegExp(`^--import=data:text/javascript,\\S*/${PRELOAD_DIRECTORY}/handover-`);

/**
 * The argument that loads `file`, absolute, and calls what it exports with `options`. Whatever fails, a file that is gone
 * above all, leaves the app to start without it. For Node 18.18 and later.
 */
export function preloadArgument(file: string, options: Readonly<Record<string, boolean>>): string {
  const path = file.replace(/[\\']/g, '\\$&').split('/').map(encodeURIComponent).join('/');
  const given = Object.entries(options).map(([name, value]) => `${name}:${value}`);
  return `--import=data:text/javascript,import{createRequire}from'node:module';try{createRequire('/')('${path}')({${given.join()}})}catch{}`;
}

/** Our preload among what Node is started with; null where there is none. */
export function preloadAmong(nodeArgs: readonly string[], nodeOptions: string | undefined): Preload | null {
  const inArgs = nodeArgs.find((argument) => OURS.test(argument));
  if (inArgs !== undefined) return { by: 'node_args', argument: inArgs };
  const inOptions = (nodeOptions ?? '').split(' ').find((argument) => OURS.test(argument));
  return inOptions === undefined ? null : { by: 'NODE_OPTIONS', argument: inOptions };
}

/** Node's arguments as the user gave them. */
export function ownArgs(nodeArgs: readonly string[]): string[] {
  return nodeArgs.filter((argument) => !OURS.test(argument));
}

/** NODE_OPTIONS as the user gave it; undefined where that was nothing. */
export function ownOptions(nodeOptions: string | undefined): string | undefined {
  const own = (nodeOptions ?? '').split(' ').filter((argument) => !OURS.test(argument));
  return own.join(' ') === '' ? undefined : own.join(' ');
}
