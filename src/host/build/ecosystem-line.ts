import { readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import type { Plan, SourceLine } from '../../protocol.ts';
import { isWithin } from '../system/paths.ts';
import { findEcosystem } from './ecosystem.ts';

/**
 * Where the ecosystem file of the version that lies at `top` names this app, for an annotation on GitHub. Null if
 * there is no such file, or if its commit is not one of the workflow's own repository.
 */
export function lineOfApp(
  plan: Pick<Plan, 'script' | 'source' | 'repository' | 'workingDirectory' | 'ecosystem'>,
  top: string,
  app: string,
): SourceLine | null {
  if (plan.script !== null || plan.source.kind !== 'git' || plan.repository.given) return null;
  try {
    const file = findEcosystem(join(top, plan.workingDirectory), plan.ecosystem);
    if (!isWithin(top, file)) return null;
    return { file: relative(top, file), line: lineNaming(readFileSync(file, 'utf8'), app) };
  } catch {
    // It is for the annotation alone.
    return null;
  }
}

/** The line with the app's name as a value; the first one if the file makes up its names. */
export function lineNaming(text: string, app: string): number {
  const lines = text.split('\n');
  const quoted = [`'${app}'`, `"${app}"`, `\`${app}\``];
  const names = (line: string): boolean =>
    /\bname\b/.test(line) &&
    (quoted.some((value) => line.includes(value)) || line.replace(/^.*\bname:/, '').trim() === app);
  return Math.max(0, lines.findIndex(names)) + 1;
}
