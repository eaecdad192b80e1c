import type { Plan } from '../../protocol.ts';
import type { CommandResult } from '../system/command.ts';
import { accessTo, addressOnServer, lacksCredentials, refusedToken } from './credentials.ts';
import type { Git } from './git.ts';

/**
 * The repository that commits come from. Each command is `[...command, its address, ...rest]`, run in the repository that
 * the remote was opened in, or `within` another that knows it by the same name.
 */
export interface Remote {
  /** Resolves whatever git's exit code is, unless the token was used and opened nothing: that is a `DeployFailure`. */
  attempt(command: readonly string[], rest: readonly string[], within?: Git): Promise<CommandResult>;
  /** Resolves with git's stdout; a failure of git is a `DeployFailure` that says what was tried. */
  text(command: readonly string[], rest: readonly string[], what: string, within?: Git): Promise<string>;
}

/** What there is beside the host's own credentials, and who is told where it is used. */
export interface Access {
  gitToken: Plan['gitToken'];
  say(text: string): void;
  /** For git-lfs: a file, absent as yet, that notes that the token was refused. */
  refused?: string;
}

/**
 * Opens the repository with the host's own credentials. Where these do not do, and it lies on the token's server, git
 * gets the token, by https, for the commands that are run here; nothing of that is written down. `say` is told so.
 */
export async function openRemote(
  git: Git,
  repository: Plan['repository'],
  { gitToken, say, refused }: Access,
): Promise<Remote> {
  const name = await nameOf(git, repository);
  // What git makes of it: a setting of the host's (url.<…>.insteadOf) may lead elsewhere.
  const actual = (await git.attempt(['ls-remote', '--get-url', name])).stdout.trim();
  const address = gitToken === null ? null : addressOnServer(actual, gitToken);
  const token =
    gitToken === null || address === null ? null : { address, access: accessTo(address, gitToken, refused) };
  let own: CommandResult | null = null;

  const attempt: Remote['attempt'] = async (command, rest, within = git) => {
    if (token === null) return within.attempt([...command, name, ...rest]);
    if (own === null) {
      const result = await within.attempt([...command, name, ...rest]);
      if (!lacksCredentials(result)) return result;
      own = result;
      const over = actual.startsWith('https:') ? '' : ', over https. The origin stays as it is';
      say(
        `The server's own credentials do not open ${token.address}. git-token is used for this run${over}.`,
      );
    }
    const result = await within.attempt([...command, token.address, ...rest], { access: token.access });
    if (lacksCredentials(result)) throw refusedToken(token.address, own.tail, result);
    return result;
  };
  return {
    attempt,
    async text(command, rest, what, within) {
      const result = await attempt(command, rest, within);
      if (result.code !== 0) throw git.failure(result, what);
      return result.stdout;
    },
  };
}

/** A repository that the user named beats the checkout's own, which beats the workflow's. */
async function nameOf(git: Git, repository: Plan['repository']): Promise<string> {
  if (repository.given) return repository.url;
  const origin = await git.attempt(['config', '--get', 'remote.origin.url']);
  return origin.code === 0 ? 'origin' : repository.url;
}
