import { ALL_OF_IT, run } from './command.ts';

/** In KiB: 2 GiB. */
export const SPACE_TO_KEEP = 2 * 1024 * 1024;

/** Whether less than 2 GiB is free, or nobody knows: then nothing is kept that could be made anew. */
export async function isShortOfSpace(directory: string, env: NodeJS.ProcessEnv): Promise<boolean> {
  const free = await freeSpace(directory, env);
  return free === null || free < SPACE_TO_KEEP;
}

/** What is free on a directory's filesystem for users other than root, in KiB. Null if `df` does not tell. */
export async function freeSpace(directory: string, env: NodeJS.ProcessEnv): Promise<number | null> {
  const options = { cwd: '/', env, timeLimit: 10_000, keep: ALL_OF_IT };
  const { stdout } = await run('df', ['-Pk', directory], options);
  const free = Number(stdout.trim().split('\n').at(-1)?.split(/\s+/)[3]);
  return Number.isFinite(free) ? free : null;
}
