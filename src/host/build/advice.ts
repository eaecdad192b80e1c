import { type DeployApp, expectedInstances, scriptOf } from '../pm2/app-config.ts';
import { launcherIn } from '../pm2/launcher.ts';

/** How an app tells PM2 that it is ready; `source` is its script's text. */
const SAYS_READY = /\.send\s*(\?\.)?\s*\(\s*(['"`])ready\2/;

/**
 * What of an app's settings may cost its users something in a deploy, each with the line to change. `source` is the
 * text of its script, or null where that is not to be had.
 */
export function adviseOn(app: DeployApp, source: string | null): string[] {
  const { count, mode } = expectedInstances(app);
  const serves = app.env.PORT !== undefined;
  const advice = [
    app.watch === true || Array.isArray(app.watch)
      ? 'watch is on, so that PM2 restarts it by itself while its files are swapped: set "watch: false"'
      : null,
    app.autorestart === false
      ? 'autorestart is off, so that PM2 leaves it down after a crash: set "autorestart: true"'
      : null,
    launcherIn(scriptOf(app) ?? '') !== null
      ? 'it is started through a package manager, which hands no signals on: name the file that it runs, such as "script: \'dist/server.js\'"'
      : null,
    serves && mode === 'fork'
      ? 'in fork mode PM2 restarts instead of reloading, and connections are refused meanwhile: set "exec_mode: \'cluster\', instances: 2"'
      : null,
    serves && mode === 'cluster' && count === 1
      ? 'with one instance a slow start can cost requests: set "instances: 2"'
      : null,
    serves && mode === 'cluster' && app.wait_ready !== true
      ? source !== null && SAYS_READY.test(source)
        ? 'it tells PM2 when it is ready, but PM2 does not wait for that: set "wait_ready: true"'
        : 'PM2 takes it for ready as soon as it listens; if it cannot answer by then, have it call process.send(\'ready\') when it can, and set "wait_ready: true"'
      : null,
  ];
  return advice.flatMap((text) => (text === null ? [] : `'${app.name}': ${text}.`));
}
