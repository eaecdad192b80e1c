import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync, truncateSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { type Program, programOf, saveProgram } from './program.ts';
import { openProgramLog } from './program-log.ts';

export interface StartOptions {
  runDir: string;
  /** The file of the host program. */
  programFile: string;
  /** Goes to the program's stdin, and nowhere else. */
  plan: unknown;
}

/** `run` begins a deploy. `resume` only ends one that a killed program began. */
type Command = 'run' | 'resume';

/** Starts the host program as a process that outlives this one. Null if that failed at once. */
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
  // Before it gets its plan: nobody could follow an unrecorded program later, so none may begin.
  saveProgram(runDir, program);
  // If the program ended before it read its plan, its follower reports it as gone.
  child.stdin?.on('error', () => {});
  child.stdin?.end(JSON.stringify(plan));
  child.unref();
  return program;
}

/**
 * Starts the program once more if it is gone without a last event, so that it ends what it began. This happens once in a
 * deploy, whoever follows it. Null if it has happened already.
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

/** An event that was cut off does not count, and the next one must not continue it. */
function dropTornEnd(file: string): void {
  const bytes = readFileSync(file);
  if (bytes.length > 0 && bytes[bytes.length - 1] !== 10) truncateSync(file, bytes.lastIndexOf(10) + 1);
}
