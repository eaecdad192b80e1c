import { connect, type Destination } from '../connection/connect.ts';
import type { Connection } from '../connection/ssh.ts';
import { BOOTSTRAP_TIMEOUT, type HostShell } from './bootstrap.ts';
import type { CourseOptions } from './following.ts';
import { openShell } from './open-shell.ts';
import { announceUpload } from './sending.ts';

/** A connection, and a shell on the host that waits for an upload. Nothing is begun there. */
export interface EarlySession {
  connection: Promise<Connection>;
  shell: Promise<HostShell>;
}

/** What is told to a host that is to get an upload, before its files are known. */
export interface EarlyOptions extends Pick<CourseOptions, 'plan' | 'shellInit'> {
  /** The host program, packed. */
  program: Promise<string>;
  say(text: string): void;
}

/** Connects, and announces an upload, while its files are still read. Both promises reject as `connect` and `openShell` do. */
export function openEarly(
  destination: Destination,
  { plan, shellInit, program, say }: EarlyOptions,
): EarlySession {
  const connection = connect(destination, say);
  const opened = async (): Promise<HostShell> => {
    const shell = await openShell(await connection, BOOTSTRAP_TIMEOUT, shellInit);
    announceUpload(shell, await program, plan);
    return shell;
  };
  const shell = opened();
  // Whoever waits for them hears of it.
  shell.catch(() => {});
  return { connection, shell };
}
