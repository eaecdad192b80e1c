import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { expect, test } from 'vitest';
import { addFigures, readFigures } from './figures.ts';

test('what is measured again takes the place of the older figure, and the rest stays', () => {
  const directory = mkdtempSync(path.join(os.tmpdir(), 'figures-'));
  const keyOf = ({ of }: { of: string }): string => of;
  try {
    const file = path.join(directory, 'some.jsonl');
    expect(readFigures(file)).toEqual([]);
    addFigures(
      file,
      [
        { of: 'b', failed: 3 },
        { of: 'a', failed: 1 },
      ],
      keyOf,
    );
    const all = addFigures(file, [{ of: 'b', failed: 0 }], keyOf);
    expect(all).toEqual([
      { of: 'a', failed: 1 },
      { of: 'b', failed: 0 },
    ]);
    expect(readFigures(file)).toEqual(all);
  } finally {
    rmSync(directory, { recursive: true });
  }
});
