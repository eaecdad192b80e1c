import type { Plan } from '../../protocol.ts';
import type { CommandResult } from '../system/command.ts';
import { DeployFailure } from '../system/failure.ts';

export type GitToken = NonNullable<Plan['gitToken']>;

/** What one call of git gets beyond the usual: settings for its command line, and its environment. */
export interface Access {
  settings: readonly (readonly [key: string, value: string])[];
  environment(base: NodeJS.ProcessEnv): NodeJS.ProcessEnv;
}

const TOKEN = 'PM2_SSH_DEPLOY_GIT_TOKEN';
const HOST = 'PM2_SSH_DEPLOY_GIT_HOST';
/** Names a file that the helper makes when the token is refused. */
const REFUSED = 'PM2_SSH_DEPLOY_GIT_REFUSED';

/**
 * Answers with the token when git asks for a login to one host over https, and stores nothing. It is POSIX sh. `echo` and
 * `read` are built in everywhere, so no argument list ever holds the token.
 *
 * Git-lfs asks again as often as a login is refused. So a token that was refused is not given again, where a file notes it.
 */
const HELPER = `!f() { p=; h=; while IFS== read -r k v; do case $k in protocol) p=$v ;; host) h=$v ;; esac; done; test "$p" = https && test "$h" = "$${HOST}" || return 0; r=$${REFUSED}; case $1 in erase) test -z "$r" || : > "$r" ;; get) test -n "$r" && test -e "$r" && return 0; echo username=x-access-token; echo "password=$${TOKEN}" ;; esac; }; f`;

/** Variables that could write the token, or its connection's keys, to a file, or send it to an unproved git server. */
const LEAKS =
  /^(GIT_TRACE|GIT_TRANSFER_TRACE$|SSH_ASKPASS$|GIT_CURL_VERBOSE$|GIT_SSL_NO_VERIFY$|GIT_REDACT|SSLKEYLOGFILE$)/;

/** The host's trace2.* settings can be turned off only in the environment: git reads them before its arguments. */
const NO_TRACE = { GIT_TRACE2: '0', GIT_TRACE2_EVENT: '0', GIT_TRACE2_PERF: '0' };

/**
 * How git is given the token, for one command on `address`, which is on the token's server: in that command's environment,
 * by a helper of ours that stands in for all that the host has. Of what git may be told to run, nothing is run but that
 * helper. Git 2.25 and later.
 *
 * Git lets the setting for the longest address win, and among equals the last one. So ours name the whole address.
 * `refused` is the file that notes that the token was refused; it begins as absent.
 */
export function accessTo(address: string, { value, server }: GitToken, refused = ''): Access {
  return {
    settings: [
      [`credential.${address}.helper`, ''],
      [`credential.${address}.helper`, HELPER],
      [`http.${address}.extraHeader`, ''],
      // Git would offer the token wherever a redirect leads. So the address has to be the right one.
      [`http.${address}.followRedirects`, 'false'],
      [`http.${address}.sslVerify`, 'true'],
      // The longest rule wins, so the host's settings cannot rewrite the address.
      [`url.${address}.insteadOf`, address],
      ['core.alternateRefsCommand', 'true'],
      ...ofLargeFiles(address, server),
    ],
    environment: (base) => ({
      ...Object.fromEntries(Object.entries(base).filter(([name]) => !LEAKS.test(name))),
      ...NO_TRACE,
      GIT_ASKPASS: '',
      GIT_ALLOW_PROTOCOL: 'https',
      // Git-lfs asks nobody which protocols are allowed.
      GIT_SSH_COMMAND: 'false',
      [HOST]: new URL(server).host,
      [TOKEN]: value,
      [REFUSED]: refused,
    }),
  };
}

/**
 * The same for git-lfs, which reads git's settings in ways of its own: it asks for a login by the server's name alone, and
 * judges the certificate by settings for the server, or for all.
 */
function ofLargeFiles(address: string, server: string): [key: string, value: string][] {
  const endpoint = `${address.replace(/(\.git)?\/*$/, '')}.git/info/lfs`;
  return [
    [`credential.${server}.helper`, ''],
    [`credential.${server}.helper`, HELPER],
    [`credential.${server}.useHttpPath`, 'false'],
    ['http.sslVerify', 'true'],
    [`http.${server}.sslVerify`, 'true'],
    [`http.${endpoint}.extraHeader`, ''],
    // Otherwise it finds out by a request without the token, and writes it down.
    [`lfs.${endpoint}.access`, 'basic'],
    // No program of the host's or the repository's carries the files over.
    ['lfs.basicTransfersOnly', 'true'],
    ['lfs.standaloneTransferAgent', ''],
  ];
}

/** The forms in which a log could show the token: as it is, and as git sends it. */
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

/** What git prints if the other side refuses the login. GitHub answers `not found` then. */
const NOT_LET_IN =
  /could not read (?:Username|Password)|Authentication failed|terminal prompts disabled|HTTP Basic: Access denied|error: 40[13]\b|Permission denied \(|Host key verification failed|cannot run ssh|Repository not found|repository '.*' not found/i;
/** A changed host key is not a lack of credentials: somebody else may be answering. */
const SOMEBODY_ELSE = /IDENTIFICATION HAS CHANGED/;

/** Whether git failed because the other side wants other credentials. */
export function lacksCredentials({ code, stopped, tail }: CommandResult): boolean {
  const text = tail.join('\n');
  return code !== 0 && stopped === null && NOT_LET_IN.test(text) && !SOMEBODY_ELSE.test(text);
}

const OTHERS =
  "The workflow's own token reads only the workflow's own repository. For another one, set git-token to a personal access token or a GitHub App's token that may read its contents. Or give the server a deploy key for it.";

/** For a login that opens the commits and not the large files. */
export const LARGE_FILES_REFUSED =
  "The same login opens the commits. Look on the git server whether Git LFS is on for this repository, whether its quota is used up, and which rights it asks for. Set git-token to a token that has these rights. If the app does not need the large files, run this on the server: git config --global lfs.fetchexclude '*'.";

/** Why the token opened nothing, and what to do. The first match counts. */
const REFUSALS: readonly [RegExp, string, string][] = [
  [
    /^batch response: Git credentials/m,
    'Git LFS, which keeps the large files, answers that it does not know the token (401)',
    LARGE_FILES_REFUSED,
  ],
  [
    /could not read|terminal prompts disabled/i,
    'a setting of git led to another server, and git-token is not sent there',
    'Look for url.<…>.insteadOf in the settings of git on the server (git config --list --show-origin).',
  ],
  [
    /not found/i,
    'the git server answers that there is no such repository. It says the same to a token that may not read the repository',
    `Add 'permissions: contents: read' to the workflow. ${OTHERS}`,
  ],
  [
    /40[3]\b/,
    'the git server knows the token and does not let it read the repository (403)',
    `Add 'permissions: contents: read' to the workflow. ${OTHERS} The git server's answer is below. An organization may ask for single sign-on, or allow only certain addresses; the server's address has to be one of them.`,
  ],
  [
    /./,
    'the git server does not know the token. It has expired, was revoked, or belongs to another server',
    "Leave git-token out, and the workflow's own token is used. Or renew the token in git-token. The workflow's own token is valid until its job ends.",
  ],
];

/** The failure to report if neither the server's own credentials nor the token opened `address`. */
export function refusedToken(address: string, own: readonly string[], result: CommandResult): DeployFailure {
  const output = result.tail.filter((line) => line.trim() !== '');
  const [, why, remedy] = REFUSALS.find(([pattern]) => pattern.test(output.join('\n'))) ?? ['', '', ''];
  return new DeployFailure(`Neither the server's own credentials nor git-token opened ${address}: ${why}.`, {
    remedy,
    output: [...own.filter((line) => line.trim() !== ''), ...output],
  });
}
