import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { bootId, isAlive, startTicks } from '../system/processes.ts';

/** The process that carries out a deploy. A pid alone may belong to another process by now. */
export interface Program {
  pid: number;
  ticks: number | null;
  boot: string;
}

/** Describes the process that was just started. It may have ended already. */
export function programOf(pid: number): Program {
  return { pid, ticks: startTicks(pid), boot: bootId() };
}

/** Whether the process still runs. A zombie does not. */
export function stillRuns({ pid, ticks, boot }: Program): boolean {
  return ticks !== null && boot === bootId() && startTicks(pid) === ticks && isAlive(pid);
}

/** If this file exists, a program was started. */
const FILE = 'program.json';

/** Records the program for those who follow it later. */
export function saveProgram(runDir: string, program: Program): void {
  const file = join(runDir, FILE);
  writeFileSync(`${file}.new`, JSON.stringify(program), { mode: 0o600 });
  renameSync(`${file}.new`, file);
}

export function loadProgram(runDir: string): Program {
  return JSON.parse(readFileSync(join(runDir, FILE), 'utf8')) as Program;
}
