import { connect, type Destination } from '../connection/connect.ts';
import type { Connection } from '../connection/ssh.ts';
import { BOOTSTRAP_TIMEOUT, type HostShell } from './bootstrap.ts';
import { openShell } from './open-shell.ts';

/** A connection, and a shell on the host that waits for an opening. Nothing is begun there. */
export interface EarlySession {
  connection: Promise<Connection>;
  shell: Promise<HostShell>;
}

/** Connects while it is still being read what to send. Both promises reject as `connect` and `openShell` do. */
export function openEarly(
  destination: Destination,
  shellInit: string | null,
  say: (text: string) => void,
): EarlySession {
  const connection = connect(destination, say);
  const shell = connection.then((connected) => openShell(connected, BOOTSTRAP_TIMEOUT, shellInit));
  // Whoever waits for them hears of it.
  shell.catch(() => {});
  return { connection, shell };
}
