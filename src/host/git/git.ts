import type { Readable } from 'node:stream';
import type { Clock } from '../system/clock.ts';
import { ALL_OF_IT, type CommandResult, run } from '../system/command.ts';
import { DeployFailure } from '../system/failure.ts';
import { descriptorsOf, type HeldLocks } from '../system/lock.ts';
import { type Access, LARGE_FILES_REFUSED } from './credentials.ts';

/** Runs git in one directory. */
export interface Git {
  readonly directory: string;
  /** Resolves with git's stdout. Throws a `DeployFailure` that says what was tried. */
  text(args: readonly string[], what: string): Promise<string>;
  /** Resolves with any exit code of git. */
  attempt(args: readonly string[], options?: AttemptOptions): Promise<CommandResult>;
  /** The failure that says what was tried, and how git ended. */
  failure(result: CommandResult, what: string): Error;
}

export type Settings = readonly (readonly [key: string, value: string])[];

export interface AttemptOptions {
  input?: string | Readable;
  access?: Access;
  /** For this command, whatever the host's say. */
  settings?: Settings;
}

export interface GitOptions {
  clock: Clock;
  env: NodeJS.ProcessEnv;
  timeLimit: number;
  cancel?: AbortSignal;
  /** Git's children keep these locks held. */
  locks: HeldLocks;
}

/**
 * Hooks, the file system monitor and garbage collection are off. In a deploy no program of the repository's own may run,
 * and no background process may outlive it. stdin is empty, so no prompt can be answered.
 */
const ALWAYS = inArguments([
  ['core.hooksPath', '/dev/null'],
  ['core.fsmonitor', 'false'],
  ['gc.auto', '0'],
  ['maintenance.auto', 'false'],
  ['advice.detachedHead', 'false'],
  ['protocol.ext.allow', 'never'],
  // A larger file is not read into memory as a whole.
  ['core.bigFileThreshold', '32m'],
]);

const REMOTE = new Set(['fetch', 'ls-remote', 'checkout', 'submodule', 'lfs']);

export function gitIn(directory: string, options: GitOptions): Git {
  const attempt: Git['attempt'] = (args, { input, access, settings: more = [] } = {}) => {
    const own = { ...options.env, GIT_TERMINAL_PROMPT: '0', GIT_OPTIONAL_LOCKS: '0', LC_ALL: 'C' };
    const env = access?.environment(own) ?? own;
    const settings = [...ALWAYS, ...inArguments(access?.settings ?? []), ...inArguments(more)];
    // A command that talks to a remote may leave a process behind (credential-cache--daemon) that would keep the lock.
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

function inArguments(settings: Settings): string[] {
  return settings.flatMap(([key, value]) => ['-c', `${key}=${value}`]);
}

/** What to do, by what git printed. The first match counts. */
const CAUSES: readonly [RegExp, string][] = [
  [
    /Object does not exist on the server/i,
    "The repository has pointers to files that were never pushed to Git LFS. In a clone that has the files, run 'git lfs push --all origin'.",
  ],
  [/batch response: (?:Authorization error|Repository or object not found|.*quota)/i, LARGE_FILES_REFUSED],
  [
    /smudge filter lfs failed|git-lfs.*(?:credential|Authenti|Authori)/i,
    "The server's own credentials do not open the large files (Git LFS) of a submodule, and git-token is not used for them. Give the server a deploy key for that repository, or a login in its git credentials.",
  ],
  [
    /Could not resolve host/i,
    "The server cannot resolve the name of the git server. Check the server's DNS and internet connection.",
  ],
  [
    /could not read Username|Authentication failed|terminal prompts disabled|HTTP Basic: Access denied|error: 403/i,
    "The server may not read the repository over https. git-token opens repositories of the workflow's own GitHub server, and no others. For others, add a deploy key to the repository and use its ssh address: in the checkout (git remote set-url origin git@…) or in the input repository.",
  ],
  [
    /returned error: 30[12378]\b/i,
    'The repository has moved, and git-token does not follow redirects. Set the new address on the server: git remote set-url origin https://…',
  ],
  [
    /certificate problem|certificate verif|SSL certificate|x509: /i,
    "The server does not trust the git server's certificate. Tell git which authority signed it: git config --global http.https://<git server>/.sslCAInfo <file>.",
  ],
  [
    /Permission denied \(/i,
    "The git server refused the server's ssh key. Add the server's public key to the repository, as a deploy key.",
  ],
  [
    /Host key verification failed/i,
    "The server does not know the git server's host key. Log in to the server and run `ssh -T git@<git server>` once. Compare the fingerprint with the one that the git server publishes.",
  ],
  [/dubious ownership/i, 'The checkout belongs to another user. Deploy as that user, or chown the checkout.'],
  [/No space left on device/i, "The server's disk is full. Free some space and run the job again."],
  [
    /index\.lock|\.lock': File exists/i,
    'Another git command runs in this repository, or one was killed. If none runs, remove the lock file named above.',
  ],
  [
    /mismatched algorithms/i,
    'The repository at path and the one to fetch from use different hashes (SHA-1 and SHA-256), and git cannot convert them. If a failed first deploy left the .git at path, remove that .git and run the job again. Otherwise set path to an empty directory.',
  ],
  [
    /not found|does not exist|does not appear to be a git repository|not a git repository/i,
    'Check that the repository exists and that the server may read it.',
  ],
  [
    /Connection (refused|timed out|reset)|unable to access/i,
    "The server cannot reach the git server. Check the server's firewall and internet connection.",
  ],
];

const REMEDY_FOR_SLOWNESS =
  "If git waited for the git server, check the server's internet connection. If it had much to do, set command-timeout to more.";

function gitFailure(result: CommandResult, what: string, options: GitOptions): Error {
  if (result.stopped === 'cancelled' && options.cancel) return options.cancel.reason as Error;
  const output = result.tail.filter((line) => line.trim() !== '');
  const how =
    result.stopped === 'time limit'
      ? `was stopped after ${Math.round(options.timeLimit / 1000)} s (command-timeout)`
      : `ended with ${result.code === null ? `signal ${result.signal}` : `exit code ${result.code}`}`;
  const text = output.join('\n');
  const remedy =
    CAUSES.find(([pattern]) => pattern.test(text))?.[1] ??
    (result.stopped === 'time limit' ? REMEDY_FOR_SLOWNESS : undefined);
  return new DeployFailure(`${what}: git ${how}.`, { output, ...(remedy === undefined ? {} : { remedy }) });
}

/** Splits git's `-z` output. */
export function splitZ(text: string): string[] {
  return text.split('\0').filter((part) => part !== '');
}

/** What to say of an error that means that this host has no git; null for any other one. `why` follows the remedy. */
export function gitMissing(error: unknown, why = ''): DeployFailure | null {
  if ((error as NodeJS.ErrnoException).code !== 'ENOENT') return null;
  return new DeployFailure("The command 'git' is not on this host.", {
    remedy: `Install it, for example with 'apt-get install git'.${why}`,
  });
}
