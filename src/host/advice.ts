import { basename } from 'node:path';
import { type DeployApp, expectedInstances, scriptOf } from './app-config.ts';

/** What of an app's settings may cost its users something in a deploy, each with the line to change. */
export function adviseOn(app: DeployApp): string[] {
  const { count, mode } = expectedInstances(app);
  const serves = app.env.PORT !== undefined;
  const advice = [
    app.watch === true || Array.isArray(app.watch)
      ? 'watch is on, so that PM2 restarts it by itself while its files are swapped: set "watch: false"'
      : null,
    app.autorestart === false
      ? 'autorestart is off, so that PM2 leaves it down after a crash: set "autorestart: true"'
      : null,
    ['npm', 'npx', 'yarn', 'pnpm'].includes(basename(scriptOf(app) ?? ''))
      ? 'it is started through a package manager, which hands no signals on: name the file that it runs, such as "script: \'dist/server.js\'"'
      : null,
    serves && mode === 'fork'
      ? 'in fork mode PM2 restarts instead of reloading, and connections are refused meanwhile: set "exec_mode: \'cluster\', instances: 2"'
      : null,
    serves && mode === 'cluster' && count === 1
      ? 'with one instance a slow start can cost requests: set "instances: 2"'
      : null,
  ];
  return advice.flatMap((text) => (text === null ? [] : `'${app.name}': ${text}.`));
}
