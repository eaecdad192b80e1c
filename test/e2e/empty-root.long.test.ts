import { execFileSync } from 'node:child_process';
import { copyFileSync, cpSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { UNVISITED } from '../rig/fixture-app.ts';
import { ROOT } from '../rig/places.ts';
import { createSite } from '../rig/site.ts';

/** Files that the runner mounts into a job's container; here outputs come by stdout. */
const RUNNERS_FILES = ['OUTPUT', 'STATE', 'ENV', 'PATH', 'STEP_SUMMARY'].map((name) => `GITHUB_${name}`);

/** A root directory with Node, the libraries that it is linked to, and the action: no shell, no git, no ssh, no /etc. */
function emptyRoot(): string {
  const root = mkdtempSync(path.join(os.tmpdir(), 'root-'));
  onTestFinished(() => rmSync(root, { recursive: true, force: true }));
  const libraries = execFileSync('ldd', [process.execPath], { encoding: 'utf8' }).matchAll(/(\/\S+) \(0x/g);
  for (const [, library = ''] of libraries) {
    mkdirSync(path.join(root, path.dirname(library)), { recursive: true });
    copyFileSync(realpathSync(library), path.join(root, library));
  }
  copyFileSync(process.execPath, path.join(root, 'node'));
  cpSync(path.join(ROOT, 'dist'), path.join(root, 'dist'), { recursive: true });
  return root;
}

test('the action needs nothing but Node and its libraries, as in a job with a bare container', async () => {
  await using site = await createSite(undefined, { app: UNVISITED, inputs: { canary: 'off' } });
  const root = emptyRoot();
  const starter = path.join(root, 'start.mjs');
  writeFileSync(
    starter,
    `import { spawnSync } from 'node:child_process';
const env = { ...process.env, HOME: '/', TMPDIR: '/' };
for (const name of ${JSON.stringify(RUNNERS_FILES)}) delete env[name];
const { status } = spawnSync('chroot', [${JSON.stringify(root)}, '/node', '/dist/index.js'], { env, stdio: 'inherit' });
process.exitCode = status ?? 1;
`,
  );
  const sha = site.commit({ version: '1' });
  const run = await site.deploy({ ref: sha }, { script: starter });
  expect(run, run.stdout + run.stderr).toMatchObject({ code: 0, outputs: { outcome: 'deployed', sha } });
  expect(await site.served()).toBe('1');
});
