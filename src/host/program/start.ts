import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync, truncateSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { type Program, programOf, saveProgram } from './program.ts';
import { openProgramLog } from './program-log.ts';

export interface StartOptions {
  runDir: string;
  /** The host program: what it is started from. */
  programFile: string;
  /** Goes to the program's stdin, and nowhere else. */
  plan: unknown;
}

/** `run` begins a deploy; `resume` only ends one that a killed program has begun. */
type Command = 'run' | 'resume';

/** Starts the host program on its own, so that it outlives this process; null where that failed at once. */
export function startProgram(
  { runDir, programFile, plan }: StartOptions,
  command: Command,
  onFailure: (reason: string) => void,
): Program | null {
  const log = openProgramLog(runDir);
  const child = spawn(process.execPath, [programFile, command, runDir], {
    cwd: homedir(),
    detached: true,
    stdio: ['pipe', log, log],
  });
  closeSync(log);
  child.once('error', (error) => onFailure(error.message));
  const { pid } = child;
  if (pid === undefined) return null;
  const program = programOf(pid);
  // Before it is given its plan: without this word nobody could follow it later, so nothing is to begin.
  saveProgram(runDir, program);
  // A program that ended before it had read its plan is told of as gone.
  child.stdin?.on('error', () => {});
  child.stdin?.end(JSON.stringify(plan));
  child.unref();
  return program;
}

/**
 * Starts the program once more where it is gone without having come to an end, so that it ends what it began. That
 * happens once for a deploy, whoever follows it: null where it has happened already.
 */
export function startAgain(options: StartOptions, onFailure: (reason: string) => void): Program | null {
  const { runDir } = options;
  try {
    closeSync(openSync(join(runDir, 'resumed'), 'wx', 0o600));
  } catch {
    return null;
  }
  dropTornEnd(join(runDir, 'events.ndjson'));
  return startProgram(options, 'resume', onFailure);
}

/** An event that was written in part is none, and the next one must not continue it. */
function dropTornEnd(file: string): void {
  const bytes = readFileSync(file);
  if (bytes.length > 0 && bytes[bytes.length - 1] !== 10) truncateSync(file, bytes.lastIndexOf(10) + 1);
}
