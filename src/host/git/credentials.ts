import type { Plan } from '../../protocol.ts';
import type { CommandResult } from '../system/command.ts';
import { DeployFailure } from '../system/failure.ts';

export type GitToken = NonNullable<Plan['gitToken']>;

/** What one call of git gets beyond what every call gets: settings for its command line, and its environment. */
export interface Access {
  settings: readonly (readonly [key: string, value: string])[];
  environment(base: NodeJS.ProcessEnv): NodeJS.ProcessEnv;
}

const TOKEN = 'PM2_SSH_DEPLOY_GIT_TOKEN';
const HOST = 'PM2_SSH_DEPLOY_GIT_HOST';

/**
 * Answers git's question for a login with the token, to one host over https alone, and forgets what git asks it to
 * keep. It is POSIX sh whose `echo` and `read` are built in everywhere, so that no argument list ever holds the token.
 */
const HELPER = `!f() { test "$1" = get || return 0; p=; h=; while IFS== read -r k v; do case $k in protocol) p=$v ;; host) h=$v ;; esac; done; if test "$p" = https && test "$h" = "$${HOST}"; then echo username=x-access-token; echo "password=$${TOKEN}"; fi; }; f`;

/** What could write the token, or the keys of the connection that it travels in, or hand it to an unproved git server. */
const LEAKS = /^(GIT_TRACE|GIT_CURL_VERBOSE$|GIT_SSL_NO_VERIFY$|GIT_REDACT|SSLKEYLOGFILE$)/;

/** The settings trace2.* of the host can be turned off in the environment alone: git reads them before its arguments. */
const NO_TRACE = { GIT_TRACE2: '0', GIT_TRACE2_EVENT: '0', GIT_TRACE2_PERF: '0' };

/**
 * How git is given the token, for one command on `address`, which is on the token's server: in that command's environment,
 * by a helper of ours that stands in for all that the host has. Of what git may be told to run, nothing is run but that
 * helper. Git 2.25 and later.
 *
 * Git lets the setting for the longest address win, and among equals the last one. So ours name the whole address.
 */
export function accessTo(address: string, { value, server }: GitToken): Access {
  return {
    settings: [
      [`credential.${address}.helper`, ''],
      [`credential.${address}.helper`, HELPER],
      [`http.${address}.extraHeader`, ''],
      // To wherever a redirect leads, git would offer what it has: the address has to be the right one.
      [`http.${address}.followRedirects`, 'false'],
      [`http.${address}.sslVerify`, 'true'],
      // The longest rule wins: the address stays what it is, whatever the host's settings make of its beginning.
      [`url.${address}.insteadOf`, address],
      ['core.alternateRefsCommand', 'true'],
    ],
    environment: (base) => ({
      ...Object.fromEntries(Object.entries(base).filter(([name]) => !LEAKS.test(name))),
      ...NO_TRACE,
      GIT_ASKPASS: '',
      GIT_ALLOW_PROTOCOL: 'https',
      [HOST]: new URL(server).host,
      [TOKEN]: value,
    }),
  };
}

/** What a log could show of the token: itself, and as git puts it into a request. */
export function formsOf({ value }: GitToken): string[] {
  return [value, Buffer.from(`x-access-token:${value}`).toString('base64')];
}

/**
 * The https address, without a login in it, of the repository that `address` names, where it lies on the token's server
 * and is reached over https or ssh; else null.
 */
export function addressOnServer(address: string, { server }: GitToken): string | null {
  const { host, hostname } = new URL(server);
  const scp = /^(?:[^@/:]+@)?([^@/:]+|\[[^\]]+\]):(?!\/\/)\/*(.+)$/.exec(address);
  if (scp) return scp[1]?.toLowerCase() === hostname ? `${server}/${scp[2]}` : null;
  let url: URL;
  try {
    url = new URL(address);
  } catch {
    return null;
  }
  const isThere =
    url.protocol === 'https:' ? url.host === host : url.protocol === 'ssh:' && url.hostname === hostname;
  return isThere ? `${server}${url.pathname}` : null;
}

/** Git's words where the other side does not let in whoever asks; GitHub says `not found` then. */
const NOT_LET_IN =
  /could not read (?:Username|Password)|Authentication failed|terminal prompts disabled|HTTP Basic: Access denied|error: 40[13]\b|Permission denied \(|Host key verification failed|cannot run ssh|Repository not found|repository '.*' not found/i;
/** A host key that changed is no want of credentials: whoever answers there may be somebody else. */
const SOMEBODY_ELSE = /IDENTIFICATION HAS CHANGED/;

/** Whether git failed because the other side wants other credentials than it was given. */
export function lacksCredentials({ code, stopped, tail }: CommandResult): boolean {
  const text = tail.join('\n');
  return code !== 0 && stopped === null && NOT_LET_IN.test(text) && !SOMEBODY_ELSE.test(text);
}

const OTHERS =
  "The workflow's own token reads the workflow's own repository alone: for another one, give git-token a personal access token or a GitHub App's token that may read its contents, or give the server a deploy key for it.";

/** Why the token opened nothing, each with what to do. First match wins. */
const REFUSALS: readonly [RegExp, string, string][] = [
  [
    /could not read|terminal prompts disabled/i,
    'git was led to another server than the one that the token is for, and that got no token',
    'Look at url.<…>.insteadOf in the settings of git on the server (git config --list --show-origin).',
  ],
  [
    /not found/i,
    'it answers that there is no such repository, which is also what it says to a token that may not read it',
    `Give the job what it takes to read it: 'permissions: contents: read' in the workflow. ${OTHERS}`,
  ],
  [
    /40[3]\b/,
    'it knows the token, and does not let it read the repository (403)',
    `Give the job 'permissions: contents: read'. ${OTHERS} What the git server says is shown below: an organization may ask for single sign-on, or allow certain addresses only, and the server's has to be one of them.`,
  ],
  [
    /./,
    'it does not know the token, which has expired, was revoked, or is not a token of this server',
    "Leave git-token out, so that the workflow's own token is used, or renew the one that it is given. The workflow's own token is good until its job ends.",
  ],
];

/** The failure to report where neither the server's own credentials nor the token opened `address`. */
export function refusedToken(address: string, own: readonly string[], result: CommandResult): DeployFailure {
  const output = result.tail.filter((line) => line.trim() !== '');
  const [, why, remedy] = REFUSALS.find(([pattern]) => pattern.test(output.join('\n'))) ?? ['', '', ''];
  return new DeployFailure(
    `${address} was opened neither by the server's own credentials nor by git-token: ${why}.`,
    { remedy, output: [...own.filter((line) => line.trim() !== ''), ...output] },
  );
}
