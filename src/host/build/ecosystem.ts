import { randomBytes } from 'node:crypto';
import { existsSync, statSync } from 'node:fs';
import { basename, extname, join, resolve } from 'node:path';
import type { AppConfig } from '../pm2/app-config.ts';
import type { Json } from '../pm2/list.ts';
import { ALL_OF_IT, run } from '../system/command.ts';
import { DeployFailure } from '../system/failure.ts';
import { ECOSYSTEM_READER } from './ecosystem-reader.ts';

const FORMS: Readonly<Record<string, 'code' | 'json' | 'yaml'>> = {
  '.js': 'code',
  '.cjs': 'code',
  '.mjs': 'code',
  '.json': 'json',
  '.yml': 'yaml',
  '.yaml': 'yaml',
};

/** Where it is looked for, in this order: what `pm2 init` writes, what PM2 itself looks for, what people call it. */
const NAMES = ['ecosystem', 'pm2', 'process', 'processes'].flatMap((name) => [
  ...['.config.js', '.config.cjs', '.config.mjs', '.json', '.yml', '.yaml'].map(
    (suffix) => `${name}${suffix}`,
  ),
]);

const READS_WITHIN = 30_000;

/**
 * The ecosystem file of an app: `given`, relative to the directory `dir`, or the first that is found in `dir`.
 * Absolute. Throws a `DeployFailure` that says where it was looked for.
 */
export function findEcosystem(dir: string, given: string | null): string {
  if (given === null) {
    const found = ecosystemIn(dir);
    if (found !== null) return found;
    throw new DeployFailure(`There is no ecosystem file in ${dir}.`, {
      remedy: `Add one (pm2 init), or name yours in \`ecosystem\`. Or set \`app\` and \`script\` instead of a file. Looked for: ${NAMES.join(', ')}.`,
    });
  }
  const file = resolve(dir, given);
  if (!FORMS[extname(file)]) {
    throw new DeployFailure(
      `The ecosystem file ${JSON.stringify(given)} is not of a kind that PM2 reads: ${Object.keys(FORMS).join(', ')}.`,
    );
  }
  if (isFile(file)) return file;
  throw new DeployFailure(
    `There is no ecosystem file ${JSON.stringify(given)} in ${dir}${existsSync(file) ? ': that is not a file' : ''}.`,
    { remedy: 'The path starts at working-directory, in the commit that is deployed.' },
  );
}

/** The ecosystem file that PM2's users would find in a directory, absolute; null if there is none. */
export function ecosystemIn(dir: string): string | null {
  return NAMES.map((name) => join(dir, name)).find(isFile) ?? null;
}

export interface ReadOptions {
  /** The Node that evaluates it. */
  node: string;
  env: NodeJS.ProcessEnv;
  /** Where the user would call PM2; the file may read its `process.cwd()`. */
  cwd: string;
  /** PM2's directory, whose own YAML reader is used for a YAML file. */
  pm2Root: string;
  /** Milliseconds. */
  timeLimit?: number;
}

/**
 * The apps of an ecosystem file (absolute path), evaluated in a child process, as the user wrote them: secret.
 * Variables of a `deploy` section, which PM2 adds by `--env`, are found as `env_<name>` of every app.
 * Throws a `DeployFailure` with the file, the message and the line where it cannot be evaluated or holds no apps.
 */
export async function readEcosystem(file: string, options: ReadOptions): Promise<AppConfig[]> {
  const { node, env, cwd, pm2Root, timeLimit = READS_WITHIN } = options;
  const form = FORMS[extname(file)] ?? 'code';
  const mark = `@${randomBytes(12).toString('hex')}@`;
  const result = await run(node, ['-e', ECOSYSTEM_READER, '--', file, form, pm2Root, mark], {
    cwd,
    env,
    timeLimit,
    keep: ALL_OF_IT,
  });
  const noise = result.tail.filter((line) => !line.includes(mark));
  const answer = result.stdout.split(mark)[1];
  if (answer === undefined) {
    const how =
      result.stopped === 'time limit'
        ? `it did not end within ${timeLimit / 1000} s`
        : `it ended its own process (${result.signal ?? `code ${result.code}`})`;
    throw new DeployFailure(`The ecosystem file ${basename(file)} cannot be evaluated: ${how}.`, {
      output: noise,
    });
  }
  const { value, error } = JSON.parse(answer) as {
    value?: Json;
    error?: { message: string; line: number | null };
  };
  if (error) {
    const line = error.line === null ? '' : ` (line ${error.line})`;
    const commonJs = /(module|exports|require) is not defined in ES module scope/.test(error.message);
    throw new DeployFailure(
      `The ecosystem file ${basename(file)} cannot be evaluated: ${error.message}${line}.`,
      commonJs ? { remedy: 'With "type": "module", a file that uses module.exports must end in .cjs.' } : {},
    );
  }
  return appsOf(value, basename(file));
}

/** The forms that PM2 takes: an object with `apps` or `pm2`, a list of apps, or one app. */
function appsOf(value: Json | undefined, file: string): AppConfig[] {
  const holds = isRecord(value) ? (value.apps ?? value.pm2 ?? value) : value;
  const apps = Array.isArray(holds) ? holds : [holds];
  const odd = apps.findIndex((app) => !isRecord(app) || Object.keys(app).length === 0);
  if (odd >= 0 || apps.length === 0) {
    throw new DeployFailure(
      `The ecosystem file ${file} has no apps${apps.length > 1 ? `: entry ${odd + 1} is not one` : ''}.`,
      { remedy: 'It must export { apps: [{ name, script, … }] }.' },
    );
  }
  const stages = isRecord(value) && isRecord(value.deploy) ? Object.entries(value.deploy) : [];
  return (apps as AppConfig[]).map((app) => {
    const whole: AppConfig = { ...app };
    for (const [stage, settings] of stages) {
      if (!isRecord(settings) || !isRecord(settings.env)) continue;
      const own = app[`env_${stage}`];
      whole[`env_${stage}`] = { ...settings.env, ...(isRecord(own) ? own : {}) };
    }
    return whole;
  });
}

function isRecord(value: Json | undefined): value is { [key: string]: Json } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isFile(path: string): boolean {
  try {
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
