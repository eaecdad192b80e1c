import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';

/**
 * Writes a program of ours and all that it imports as CommonJS to a new directory: any Node can run it, and it starts
 * in two thirds of the time. Returns the program's file and the directory. Takes what our sources use, named imports
 * and exported declarations, of files whose names differ.
 */
export function writePlainJs(program: string): { file: string; directory: string } {
  const directory = mkdtempSync(join(tmpdir(), 'plain-'));
  const plainName = (file: string): string => basename(file).replace(/\.m?ts$/, '.cjs');
  const done = new Set<string>();
  const write = (file: string): void => {
    if (done.has(file)) return;
    done.add(file);
    const exported: string[] = [];
    const source = stripTypeScriptTypes(readFileSync(file, 'utf8'))
      .replace(/^import \{([^}]*)\} from '([^']+)'/gm, (_, names: string, from: string) => {
        const isOurs = from.startsWith('.');
        if (isOurs) write(resolve(dirname(file), from));
        return `const {${names.replace(/ as /g, ': ')}} = require('${isOurs ? `./${plainName(from)}` : from}')`;
      })
      .replace(
        /^export ((?:async function|function|class|const) (\w+))/gm,
        (_, declaration: string, name: string) => {
          exported.push(name);
          return declaration;
        },
      );
    writeFileSync(
      join(directory, plainName(file)),
      `${source}\nmodule.exports = { ${exported.join(', ')} };\n`,
    );
  };
  write(resolve(program));
  return { file: join(directory, plainName(program)), directory };
}
