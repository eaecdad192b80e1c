import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { ROOT } from '../rig/places.ts';
import { codeBlocks } from './page-rules.ts';

test.each(['nginx', 'previews'])('nginx takes what docs/guides/%s.md shows', (guide) => {
  const directory = mkdtempSync(path.join(os.tmpdir(), 'nginx-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const [block = ''] = codeBlocks(readFileSync(path.join(ROOT, `docs/guides/${guide}.md`), 'utf8'), 'nginx');
  expect(block).toContain('server_name');
  const file = path.join(directory, 'nginx.conf');
  // Nothing is bound: a test of the settings opens their logs alone.
  const log = `error_log ${directory}/error.log; access_log off;`;
  writeFileSync(file, `pid ${directory}/pid; events {} http { ${log}\n${block}\n}`);
  execFileSync('nginx', ['-t', '-e', `${directory}/error.log`, '-c', file], { stdio: 'pipe' });
});
