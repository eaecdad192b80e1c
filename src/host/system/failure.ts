import type { AppLog, Failure, State } from '../../protocol.ts';

/** A deploy that cannot go on, for a reason that the user is to read. Anything else that is thrown is a bug of ours. */
export class DeployFailure extends Error {
  readonly remedy: string | null;
  readonly output: readonly string[];
  /** The last lines of the apps' own error logs, if the failure is the app's. */
  readonly appLogs: readonly AppLog[];

  constructor(
    message: string,
    details: {
      remedy?: string | null;
      output?: readonly string[];
      appLogs?: readonly AppLog[];
      cause?: unknown;
    } = {},
  ) {
    super(message);
    this.name = 'DeployFailure';
    this.remedy = details.remedy ?? null;
    this.output = details.output ?? [];
    this.appLogs = details.appLogs ?? [];
  }
}

const DISK: Record<string, string> = {
  ENOSPC: 'A disk of this host is full, or out of inodes',
  EDQUOT: 'The disk quota of this user is used up',
  EROFS: 'A file system of this host is read-only',
};

/** The same error in words, where a file could not be written for want of room; else null. */
export function diskTrouble(error: unknown): DeployFailure | null {
  const {
    code = '',
    path: from,
    dest: path = from,
  } = (error ?? {}) as NodeJS.ErrnoException & { dest?: string };
  const what = DISK[code];
  if (what === undefined) return null;
  return new DeployFailure(`${what}${path === undefined ? '' : `: ${path} cannot be written`}.`, {
    remedy: "See 'df -h' and 'df -i' on the host, make room, and run the job again.",
    cause: error,
  });
}

/** The same error in words, if this user may not do something with a file; else null. */
function permissionTrouble(error: unknown): DeployFailure | null {
  const { code, path, dest = path, syscall } = (error ?? {}) as NodeJS.ErrnoException & { dest?: string };
  if ((code !== 'EACCES' && code !== 'EPERM') || dest === undefined) return null;
  return new DeployFailure(
    `This user (uid ${process.geteuid?.()}) may not use ${dest} (${syscall}: ${code}).`,
    {
      remedy: `Look at its owner and mode on the server: 'ls -ld ${dest}'. Give it to this user, or deploy as its owner.`,
      cause: error,
    },
  );
}

/** What went wrong, for the report; what is no `DeployFailure` comes with its stack. */
export function failureOf(error: unknown, state: State): Failure {
  if (error instanceof DeployFailure) {
    return {
      state,
      message: error.message,
      remedy: error.remedy,
      output: [...error.output],
      appLogs: [...error.appLogs],
      live: null,
      rollback: null,
    };
  }
  const known = diskTrouble(error) ?? permissionTrouble(error);
  if (known !== null) return failureOf(known, state);
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  const [message = 'unknown error', ...stack] = text.split('\n');
  return { state, message, remedy: null, output: stack, appLogs: [], live: null, rollback: null };
}
