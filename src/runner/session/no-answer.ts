import type { ChannelEnd } from '../connection/ssh.ts';
import { SessionError } from './session-error.ts';

/** What a login shell or sshd says to a user whom it lets in, but do nothing. */
const REFUSALS: ReadonlyArray<{ said: RegExp; why: string; remedy: string }> = [
  {
    said: /account is (?:currently )?not available|nologin/i,
    why: "the user's login shell allows no login (nologin)",
    remedy: 'Deploy as the user that PM2 runs as, or give this user a shell: usermod -s /bin/bash USER.',
  },
  {
    said: /password has expired|password change required|required to change your password/i,
    why: "the user's password has expired and must be changed first",
    remedy: 'Change the password, or let it never expire: chage -M -1 USER.',
  },
  {
    said: /sftp connections only/i,
    why: 'the user may only transfer files (ForceCommand internal-sftp)',
    remedy: 'Deploy as a user who may run commands, or remove ForceCommand for this user from sshd_config.',
  },
  {
    said: /rejecting (?:command|request)|not allowed to execute|command (?:not allowed|rejected|refused)/i,
    why: 'a forced command (ForceCommand in sshd_config, or command= in authorized_keys) refuses it',
    remedy: 'Use a key for deploys that has no command= before it, or a user without ForceCommand.',
  },
];

/**
 * Why the bootstrap did not answer: it was given up on after `timeout` milliseconds, or ended. `before` is what came instead,
 * as it may be shown.
 */
export function noAnswer(
  label: string,
  outcome: 'late' | ChannelEnd,
  timeout: number,
  before: readonly string[],
): SessionError {
  if (outcome !== 'late' && outcome.lost !== null) {
    return new SessionError(
      `The connection to ${label} was lost (${outcome.lost}) before anything was sent there.`,
      'Run the job again. Nothing was changed on the host.',
      before,
    );
  }
  const refusal = REFUSALS.find(({ said }) => before.some((line) => said.test(line)));
  if (outcome !== 'late' && refusal !== undefined) {
    return new SessionError(
      `The login at ${label} worked, but the server runs nothing: ${refusal.why}. What it said is below. Nothing was sent to it.`,
      refusal.remedy,
      before,
    );
  }
  const how =
    outcome === 'late'
      ? `did not answer within ${timeout / 1000} s`
      : `ended without an answer (${outcome.code === null ? (outcome.signal ?? 'no exit code') : `exit code ${outcome.code}`})`;
  return new SessionError(
    `The login at ${label} worked, but the command that starts the deploy ${how}. A start-up file of the login shell, or a forced command, ${outcome === 'late' ? 'swallowed' : 'ended'} it. ${
      before.length === 0 ? 'Nothing came back.' : 'What came instead is below.'
    } Neither the plan nor the program was sent.`,
    `Try it by hand, with the same user and key: echo works | ssh USER@HOST "sh -c 'read -r n; echo it \\$n'" must print 'it works'. If it does not, look into the start-up files (.bashrc, .zshenv, config.fish, .tcshrc): if the session is not interactive, they must not read stdin or exec another shell. Also look for ForceCommand in sshd_config and command= in authorized_keys.`,
    before,
  );
}
