import { readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { type AppConfig, type DeployApp, scriptOf } from '../pm2/app-config.ts';
import { launcherIn } from '../pm2/launcher.ts';

/** What a launcher such as npm starts, as far as its words tell. */
export type Started =
  /** A file that PM2 can run itself, in cluster mode too. */
  | { kind: 'file'; script: string; args: string | null }
  /** A source file that only this program runs. */
  | { kind: 'source'; program: string }
  | { kind: 'unknown' };

const UNKNOWN: Started = { kind: 'unknown' };
/** Programs that run source files as they are. */
export const RUNS_SOURCE = /^(tsx|ts-node|ts-node-dev|ts-node-esm|babel-node|vite-node)$/;

/** The `scripts` of the package.json where an app runs, in the version at `top`; none if there is no such file. */
export function scriptsOf(
  { cwd }: Pick<DeployApp, 'cwd'>,
  live: string,
  top: string,
): Readonly<Record<string, string>> {
  try {
    const manifest = JSON.parse(readFileSync(join(top, relative(live, cwd), 'package.json'), 'utf8')) as {
      scripts?: Record<string, string>;
    };
    return manifest.scripts ?? {};
  } catch {
    return {};
  }
}

/** What really runs behind an app's launcher or command line; null if its script is a file that PM2 runs itself. */
export function startedByLauncher(
  app: AppConfig,
  scripts: Readonly<Record<string, string>>,
): { launcher: string; started: Started } | null {
  const [program = '', ...inline] = (scriptOf(app) ?? '').trim().split(/\s+/);
  const launcher = launcherIn(program);
  if (launcher !== null)
    return { launcher, started: behind(launcher, [...inline, ...wordsOf(app.args)], scripts) };
  // PM2 gives a command line to bash.
  return inline.length === 0
    ? null
    : { launcher: 'a command line', started: startedBy([program, ...inline]) };
}

function behind(launcher: string, words: string[], scripts: Readonly<Record<string, string>>): Started {
  if (RUNS_SOURCE.test(launcher)) return { kind: 'source', program: launcher };
  if (!/^(npm|yarn|yarnpkg|pnpm)$/.test(launcher)) return startedBy(words);
  const [first = '', ...rest] = words;
  const [name = '', ...more] = /^run(-script)?$/.test(first) ? rest : words;
  const command = scripts[name];
  if (command === undefined) return UNKNOWN;
  return startedBy([...command.trim().split(/\s+/), ...more.filter((word) => word !== '--')]);
}

/** The words of a command line. A shell's own signs, and flags that may take a value, are left unknown. */
function startedBy(words: string[]): Started {
  if (words.some((word) => /[&|;<>$`'"(){}*=]/.test(word))) return UNKNOWN;
  const [program = '', file = '', ...rest] = words;
  if (RUNS_SOURCE.test(program)) return { kind: 'source', program };
  if (program === 'next' && file === 'start')
    return { kind: 'file', script: 'node_modules/next/dist/bin/next', args: ['start', ...rest].join(' ') };
  if (program !== 'node' || file.startsWith('-') || !/\w$/.test(file)) return UNKNOWN;
  const script = /\.[cm]?js$/.test(file) ? file : `${file}.js`;
  return { kind: 'file', script, args: rest.length === 0 ? null : rest.join(' ') };
}

function wordsOf(args: AppConfig[string] | undefined): string[] {
  const text = Array.isArray(args) ? args.join(' ') : typeof args === 'string' ? args : '';
  return text.trim().split(/\s+/).filter(Boolean);
}

/** The settings to write in the launcher's place, after "Set" or "set". */
export function settingsInstead(started: Started): string {
  const mode = "exec_mode: 'cluster', instances: 2";
  switch (started.kind) {
    case 'file': {
      const args = started.args === null ? '' : ` args: '${started.args}',`;
      return `set "script: '${started.script}',${args} ${mode}"`;
    }
    case 'source':
      return `have the build compile the app to JavaScript, and set "script: 'dist/server.js', ${mode}" with the compiled file`;
    case 'unknown':
      return `set "script: 'dist/server.js', ${mode}" with the JavaScript file that it starts`;
  }
}
