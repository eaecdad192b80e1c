import type { Connection } from '../connection/ssh.ts';
import { type HostShell, openHostShell } from './bootstrap.ts';
import { enterContainer } from './enter-container.ts';
import { openingScript } from './opening-line.ts';

/** Answers that are kept until somebody listens. What is printed before that is one of them, or none of ours. */
const KEPT = 20;

/**
 * Starts the bootstrap on the host, and in its container if the deploy goes to one, and has it look for Node, which then waits for
 * an opening. `timeout` is in milliseconds, for the host. Throws a `SessionError`.
 */
export async function openShell(
  connection: Connection,
  timeout: number,
  shellInit: string | null,
): Promise<HostShell> {
  const host = await openHostShell(connection, timeout);
  const shell = connection.container === undefined ? host : await enterContainer(host, connection.container);
  const answers: string[] = [];
  shell.listen((line) => {
    if (line.startsWith(`${shell.nonce} `) && answers.length < KEPT) answers.push(line);
  });
  shell.send(openingScript(shell.nonce, shellInit));
  return {
    ...shell,
    listen(onLine) {
      for (const line of answers.splice(0)) onLine(line);
      shell.listen(onLine);
    },
  };
}
