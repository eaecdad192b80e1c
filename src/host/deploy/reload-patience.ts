import { type Boot, bootTime } from '../canary/run.ts';
import { type DeployApp, expectedInstances } from '../pm2/app-config.ts';
import { listenTimeoutOf } from '../pm2/timeouts.ts';

/** A busy host boots the next instance more slowly than the canary. */
const SLOWER = 1.5;

/**
 * The apps with a `listen_timeout` that outlasts their boot, as their canaries took it: PM2 takes the old instance down
 * when that time has passed, ready or not. With a sentence for each app that the file gives too little.
 */
export function withPatience(
  config: readonly DeployApp[],
  boots: readonly Boot[],
): { config: DeployApp[]; advice: string[] } {
  const advice: string[] = [];
  const patient = config.map((app): DeployApp => {
    const boot = boots.find(({ name }) => name === app.name);
    const given = listenTimeoutOf(app);
    if (boot === undefined || expectedInstances(app).mode === 'fork') return app;
    const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;
    if (app.wait_ready === true && boot.readyMs === null) {
      advice.push(
        `'${app.name}': it has wait_ready, but its canary sent no 'ready'. PM2 waits the whole listen_timeout (${seconds(given)}) for each instance. Call process.send('ready') once it listens, or set "wait_ready: false".`,
      );
      return app;
    }
    if (app.wait_ready !== true && boot.readyMs !== null)
      advice.push(
        `'${app.name}': it tells PM2 when it is ready, but PM2 does not wait for that: set "wait_ready: true".`,
      );
    const took = bootTime(app, boot);
    if (took === null || took * SLOWER <= given) return app;
    const enough = Math.ceil((took * 2) / 1000) * 1000;
    advice.push(
      `'${app.name}': it took ${seconds(took)} to boot, but PM2 stops the old instance after ${seconds(given)} (listen_timeout). In this deploy PM2 gets more time. Set "listen_timeout: ${enough}".`,
    );
    return { ...app, listen_timeout: enough };
  });
  return { config: patient, advice };
}
