import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { NEXT_FILES } from './apps.ts';

/** Builds the Next.js app beside the packages that it needs, once for as long as they stay; returns its `.next`. */
export function builtNext(modules: string, node: string): string {
  const built = path.join(modules, '.built-next');
  if (existsSync(built)) return built;
  const directory = mkdtempSync(path.join(path.dirname(modules), 'next-'));
  try {
    for (const [name, text] of Object.entries(NEXT_FILES)) {
      mkdirSync(path.dirname(path.join(directory, name)), { recursive: true });
      writeFileSync(path.join(directory, name), text);
    }
    symlinkSync(modules, path.join(directory, 'node_modules'));
    const args = [path.join(modules, 'next/dist/bin/next'), 'build', '--webpack'];
    execFileSync(node, args, { cwd: directory, stdio: ['ignore', 'ignore', 'inherit'] });
    renameSync(path.join(directory, '.next'), built);
    return built;
  } finally {
    rmSync(directory, { recursive: true });
  }
}
