import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { ROOT } from './places.ts';

/** What was made by a build or an install in the example itself is none of its files. */
const MADE = /(^|\/)(node_modules|dist|\.next|generated)(\/|$)/;

/** The files of `examples/<name>`. Each text of `changes` is replaced; one that no file has is an error. */
export function exampleFiles(name: string, changes: Record<string, string> = {}): Record<string, string> {
  const top = path.join(ROOT, 'examples', name);
  const found = readdirSync(top, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(top, path.join(entry.parentPath, entry.name)))
    .filter((file) => !MADE.test(file));
  const files = Object.fromEntries(found.map((file) => [file, readFileSync(path.join(top, file), 'utf8')]));
  for (const [text, other] of Object.entries(changes)) {
    const holders = found.filter((file) => files[file]?.includes(text));
    if (holders.length === 0) throw new Error(`no file of examples/${name} has '${text}'`);
    for (const file of holders) files[file] = files[file]?.replaceAll(text, () => other) ?? '';
  }
  return files;
}
