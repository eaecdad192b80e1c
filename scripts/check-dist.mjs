// Builds the bundles anew and compares them with what git holds under dist/: its index, so a fresh clone's commit.
// A file that is missing in git, or that git has and no build makes, counts like one that differs.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const fresh = mkdtempSync(path.join(os.tmpdir(), 'dist-'));
let findings;
try {
  const built = spawnSync(process.execPath, [path.join(ROOT, 'scripts/build.mjs'), fresh], {
    stdio: 'inherit',
  });
  findings = built.status === 0 ? compare(readdirSync(fresh), committed()) : null;
} finally {
  rmSync(fresh, { recursive: true, force: true });
}

if (findings === null) process.exitCode = 1;
else if (findings.length > 0) {
  console.error(
    `dist/ in git is not what the sources build:\n${findings.map((line) => `  ${line}`).join('\n')}`,
  );
  console.error('Run `npm run build`, then `git add --all dist`, and commit that with the change.');
  process.exitCode = 1;
} else {
  console.log('dist/ in git is what the sources build.');
}

function compare(built, inGit) {
  const lines = [];
  for (const name of [...new Set([...built, ...inGit])].sort()) {
    if (!inGit.includes(name)) lines.push(`dist/${name}: is built, but is not in git`);
    else if (!built.includes(name)) lines.push(`dist/${name}: is in git, but is not built`);
    else if (!readFileSync(path.join(fresh, name)).equals(git('cat-file', 'blob', `:dist/${name}`))) {
      lines.push(`dist/${name}: differs`);
    }
  }
  return lines;
}

function committed() {
  const names = git('ls-files', '-z', '--', 'dist').toString('utf8').split('\0').filter(Boolean);
  return names.map((name) => name.slice('dist/'.length));
}

function git(...args) {
  const result = spawnSync('git', args, { cwd: ROOT, maxBuffer: 64 * 1024 * 1024 });
  if (result.status === 0) return result.stdout;
  throw new Error(`git ${args[0]} failed: ${result.error?.message ?? result.stderr.toString('utf8')}`);
}
