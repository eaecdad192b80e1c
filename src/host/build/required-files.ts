import { existsSync } from 'node:fs';
import { isAbsolute, join, relative } from 'node:path';
import { type DeployApp, scriptFile } from '../pm2/app-config.ts';
import { envSources, type Places } from '../state/places.ts';
import { DeployFailure } from '../system/failure.ts';
import { isExecutable, isWithin } from '../system/paths.ts';

/**
 * Throws a `DeployFailure` if the version at `staging` lacks what PM2 is to start: a build may end well and have made nothing.
 * Then PM2 would notice only once the old version was swapped out.
 */
export function requireFiles(app: DeployApp, places: Places, staging: string): void {
  requireScript(app, places.live, staging);
  requireInterpreter(app, places, staging);
}

function requireScript(app: DeployApp, live: string, staging: string): void {
  const file = scriptFile(app);
  if (file === null || !isWithin(live, file) || existsSync(join(staging, relative(live, file)))) return;
  throw new DeployFailure(
    `The build made no ${relative(live, file)}, which is the script of '${app.name}'.`,
    {
      remedy:
        'Check that build-command makes it, and that `script` names it relative to the directory of the app.',
    },
  );
}

/** PM2 refuses an interpreter that it cannot execute. A bare word is looked up on PATH, by PM2. */
function requireInterpreter(app: DeployApp, places: Places, staging: string): void {
  const file = app.interpreter ?? app.exec_interpreter ?? app.execInterpreter;
  if (typeof file !== 'string' || !isAbsolute(file)) return;
  const name = relative(places.live, file);
  // What is the app's own, such as a Python environment, comes along without being in the build.
  const candidates = isWithin(places.live, file)
    ? [staging, ...envSources(places)].map((directory) => join(directory, name))
    : [file];
  const found = candidates.find((path) => existsSync(path));
  if (found !== undefined && isExecutable(found)) return;
  const what = `${file}, which is the interpreter of '${app.name}'`;
  throw new DeployFailure(
    found === undefined ? `There is no ${what}.` : `This user may not execute ${what}.`,
    {
      remedy:
        found === undefined
          ? 'Check that the commit, install-command or build-command brings it. A relative path starts at working-directory.'
          : "Make it executable, in git with 'git update-index --chmod=+x'.",
    },
  );
}
