import type { Connection } from '../connection/ssh.ts';
import { type HostShell, openHostShell } from './bootstrap.ts';
import { enterContainer } from './enter-container.ts';

/**
 * Starts the bootstrap on the host, and in its container if the deploy goes to one. `timeout` is in milliseconds, for the host.
 * Throws a `SessionError`.
 */
export async function openShell(connection: Connection, timeout: number): Promise<HostShell> {
  const shell = await openHostShell(connection, timeout);
  return connection.container === undefined ? shell : enterContainer(shell, connection.container);
}
