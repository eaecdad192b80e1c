import { ALL_OF_IT, run } from '../system/command.ts';

/** Arguments: PM2's directory, milliseconds, patterns. Prints the times that lie so far ahead at most, as JSON, in milliseconds from now. */
const READER = `
const [root, ahead, ...patterns] = process.argv.slice(1);
const loaded = require('module').createRequire(root + '/lib/Worker.js')('croner');
const Cron = loaded.Cron || loaded;
const now = Date.now();
const times = [];
for (const pattern of patterns) {
  const clock = Cron(pattern);
  for (let at = clock.next(); at && at - now <= ahead; at = clock.next(at)) times.push(at - now);
}
process.stdout.write(JSON.stringify(times.sort((a, b) => a - b)));
`;

/** Milliseconds. */
const READS_WITHIN = 5_000;

/**
 * When PM2 restarts apps that have these patterns as `cron_restart`, in milliseconds from now, for so many milliseconds
 * ahead. PM2's own package reads the patterns. Empty where it cannot.
 */
export async function restartTimes(
  pm2Root: string,
  env: NodeJS.ProcessEnv,
  patterns: readonly string[],
  ahead: number,
): Promise<number[]> {
  const args = ['-e', READER, '--', pm2Root, String(ahead), ...patterns];
  const result = await run(process.execPath, args, {
    cwd: pm2Root,
    env,
    timeLimit: READS_WITHIN,
    keep: ALL_OF_IT,
  });
  return result.code === 0 ? (JSON.parse(result.stdout) as number[]) : [];
}
