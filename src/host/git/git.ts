import type { Clock } from '../system/clock.ts';
import { ALL_OF_IT, type CommandResult, run } from '../system/command.ts';
import { DeployFailure } from '../system/failure.ts';
import { descriptorsOf, type HeldLocks } from '../system/lock.ts';
import type { Access } from './credentials.ts';

/** Runs git in one directory. */
export interface Git {
  readonly directory: string;
  /** Resolves with git's stdout; a failure of git is a `DeployFailure` that says what was tried. */
  text(args: readonly string[], what: string): Promise<string>;
  /** Resolves whatever git's exit code is. */
  attempt(args: readonly string[], options?: { input?: string; access?: Access }): Promise<CommandResult>;
  /** The failure that says what was tried, and how git ended. */
  failure(result: CommandResult, what: string): Error;
}

export interface GitOptions {
  clock: Clock;
  env: NodeJS.ProcessEnv;
  timeLimit: number;
  cancel?: AbortSignal;
  /** Git's children keep these held. */
  locks: HeldLocks;
}

/**
 * Hooks, the file system monitor and garbage collection are off: none of a repository's own programs may run in a
 * deploy, and no background process may outlive it. `stdin` is empty and no prompt can be answered.
 */
const ALWAYS = inArguments([
  ['core.hooksPath', '/dev/null'],
  ['core.fsmonitor', 'false'],
  ['gc.auto', '0'],
  ['maintenance.auto', 'false'],
  ['advice.detachedHead', 'false'],
  ['protocol.ext.allow', 'never'],
]);

const REMOTE = new Set(['fetch', 'ls-remote', 'checkout', 'submodule']);

export function gitIn(directory: string, options: GitOptions): Git {
  const attempt: Git['attempt'] = (args, { input, access } = {}) => {
    const own = { ...options.env, GIT_TERMINAL_PROMPT: '0', GIT_OPTIONAL_LOCKS: '0', LC_ALL: 'C' };
    const env = access?.environment(own) ?? own;
    const settings = [...ALWAYS, ...inArguments(access?.settings ?? [])];
    // What talks to a remote may leave a process behind (credential-cache--daemon), which would keep the lock.
    const holds = REMOTE.has(args[0] ?? '') ? [] : descriptorsOf(options.locks);
    const { timeLimit, cancel } = options;
    const runOptions = {
      cwd: directory,
      env,
      timeLimit,
      keep: ALL_OF_IT,
      ...(cancel && { cancel }),
      ...(input !== undefined && { input }),
      holds,
    };
    return options.clock.book('git', () => run('git', [...settings, ...args], runOptions));
  };
  const failure: Git['failure'] = (result, what) => gitFailure(result, what, options);
  return {
    directory,
    attempt,
    failure,
    async text(args, what) {
      const result = await attempt(args);
      if (result.code !== 0) throw failure(result, what);
      return result.stdout;
    },
  };
}

function inArguments(settings: readonly (readonly string[])[]): string[] {
  return settings.flatMap(([key, value]) => ['-c', `${key}=${value}`]);
}

/** What git's own words mean, each with what to do. First match wins. */
const CAUSES: readonly [RegExp, string][] = [
  [
    /smudge filter lfs failed|git-lfs.*(?:credential|Authenti|Authori)/i,
    "The server's own credentials do not open the large files (Git LFS), and git-token is not used for those. Give the server a deploy key for the repository, or a login in its git credentials.",
  ],
  [
    /Could not resolve host/i,
    'The server cannot resolve the name of the git server: check its DNS and its way to the internet.',
  ],
  [
    /could not read Username|Authentication failed|terminal prompts disabled|HTTP Basic: Access denied|error: 403/i,
    "The server may not read the repository over https. git-token does it for repositories of the workflow's own GitHub server, and is given to no other. Else add a deploy key to the repository and use its ssh address, in the checkout (git remote set-url origin git@…) or as the input repository.",
  ],
  [
    /returned error: 30[12378]\b/i,
    'The repository has moved, and git-token is sent to its own address alone. Set the new one on the server: git remote set-url origin https://…',
  ],
  [
    /certificate problem|certificate verif|SSL certificate/i,
    "The server does not trust the git server's certificate. Give git the authority that signed it, with git config --global http.https://<git server>/.sslCAInfo <file>.",
  ],
  [
    /Permission denied \(/i,
    "The git server refused the server's ssh key. Add the server's public key to the repository as a deploy key.",
  ],
  [
    /Host key verification failed/i,
    "The server does not know the git server's host key. Log in and run `ssh -T git@<git server>` once, comparing the fingerprint with the one that it publishes.",
  ],
  [
    /dubious ownership/i,
    'The checkout belongs to another user than the one who deploys. Deploy as its owner, or chown it.',
  ],
  [/No space left on device/i, "The server's disk is full. Free some space and run the job again."],
  [
    /index\.lock|\.lock': File exists/i,
    'Another git command runs in this repository, or one was killed. If none runs, remove the lock file that is named above.',
  ],
  [
    /mismatched algorithms/i,
    'The repository at path and the one to fetch from name objects by different hashes (SHA-1, SHA-256), and git converts none. If a failed first deploy left the .git at path, remove that .git and run the job again. Otherwise give an empty path.',
  ],
  [
    /not found|does not exist|does not appear to be a git repository|not a git repository/i,
    'Check that the repository exists, and that the server may read it.',
  ],
  [
    /Connection (refused|timed out|reset)|unable to access/i,
    'The server cannot reach the git server: check its firewall and its way to the internet.',
  ],
];

function gitFailure(result: CommandResult, what: string, options: GitOptions): Error {
  if (result.stopped === 'cancelled' && options.cancel) return options.cancel.reason as Error;
  const output = result.tail.filter((line) => line.trim() !== '');
  const how =
    result.stopped === 'time limit'
      ? `did not end within ${Math.round(options.timeLimit / 1000)} s`
      : `ended with ${result.code === null ? `signal ${result.signal}` : `exit code ${result.code}`}`;
  const text = output.join('\n');
  const remedy = CAUSES.find(([pattern]) => pattern.test(text))?.[1];
  return new DeployFailure(`${what}: git ${how}.`, { output, ...(remedy === undefined ? {} : { remedy }) });
}

/** Splits git's `-z` output. */
export function splitZ(text: string): string[] {
  return text.split('\0').filter((part) => part !== '');
}
