import { join, relative } from 'node:path';
import { type DeployApp, expectedInstances } from '../pm2/app-config.ts';
import {
  type ModuleArgument,
  modulesAmong,
  nodeArgumentsOf,
  replaceModules,
  withNodeArguments,
} from '../pm2/node-arguments.ts';
import { ALL_OF_IT, run } from '../system/command.ts';
import { exists, isWithin, realOrSame } from '../system/paths.ts';

/** Arguments: a directory, and modules as JSON. Prints the path of each module as that directory finds it, or null. */
const FINDER = `
import { createRequire } from 'node:module';
import { fileURLToPath, pathToFileURL } from 'node:url';
const [directory, asked] = process.argv.slice(1);
const base = directory + '/app.js';
const find = async ({ kind, specifier }) => {
  try {
    if (kind === 'require') return createRequire(base).resolve(specifier);
    return fileURLToPath(await import.meta.resolve(specifier, pathToFileURL(base).href));
  } catch {
    return null;
  }
};
process.stdout.write(JSON.stringify(await Promise.all(JSON.parse(asked).map(find))));
`;

const FINDS_WITHIN = 10_000;

interface Version {
  /** Where the version lies now, and where it will run. */
  top: string;
  live: string;
  env: NodeJS.ProcessEnv;
}

/**
 * The apps with the paths of the modules that `node_args` name (`--import tsx`), as the app's own directory finds them. In
 * cluster mode Node would look in the directory of PM2's daemon. The apps are as they will run in `live`.
 */
export async function findModules(apps: readonly DeployApp[], version: Version): Promise<DeployApp[]> {
  return Promise.all(apps.map((app) => findModulesOf(app, version)));
}

async function findModulesOf(app: DeployApp, { top, live, env }: Version): Promise<DeployApp> {
  const given = nodeArgumentsOf(app);
  const modules = modulesAmong(given);
  if (modules.length === 0 || expectedInstances(app).mode === 'fork') return app;
  const here = isWithin(live, app.cwd) ? join(top, relative(live, app.cwd)) : app.cwd;
  const paths = await pathsOf(modules, here, env);
  const realTop = realOrSame(top);
  let at = 0;
  const found = replaceModules(given, () => {
    const path = paths[at++] ?? null;
    return path !== null && isWithin(realTop, path) ? join(live, relative(realTop, path)) : path;
  });
  return withNodeArguments(app, found);
}

/** What cannot be found is left to Node, whose message says more. */
async function pathsOf(
  modules: readonly ModuleArgument[],
  directory: string,
  env: NodeJS.ProcessEnv,
): Promise<Array<string | null>> {
  if (!exists(directory)) return [];
  const options = ['--no-warnings', '--experimental-import-meta-resolve', '--input-type=module'];
  const result = await run(
    process.execPath,
    [...options, '-e', FINDER, '--', directory, JSON.stringify(modules)],
    { cwd: directory, env, timeLimit: FINDS_WITHIN, keep: ALL_OF_IT },
  );
  return result.code === 0 ? (JSON.parse(result.stdout) as Array<string | null>) : [];
}
