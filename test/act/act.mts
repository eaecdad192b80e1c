import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { codeBlocks } from '../docs/page-rules.ts';
import { UNVISITED } from '../rig/fixture-app.ts';
import { ROOT } from '../rig/places.ts';
import { setup } from '../rig/setup.ts';
import { createSite } from '../rig/site.ts';

/**
 * Runs README's workflow by act, a runner of workflows that others wrote, in its self-hosted mode: `npm run test:act`. Builds
 * act from the Go module proxy where it is not built yet, which takes some minutes; needs Go. With --build it does no more.
 */
const VERSION = 'v0.2.89';
const CACHE = path.join(os.tmpdir(), `act-${VERSION}`);

function run(
  command: string,
  args: string[],
  options: { cwd?: string; env?: NodeJS.ProcessEnv } = {},
): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, { encoding: 'utf8', ...options });
  if (error) throw error;
  if (status !== 0) throw new Error(`${command} ended with exit code ${status}:\n${stdout}${stderr}`);
  return stdout + stderr;
}

function buildAct(): string {
  const act = path.join(CACHE, 'act');
  if (existsSync(act)) return act;
  const env = { ...process.env, PATH: `${process.env.PATH}:/usr/local/go/bin`, GOBIN: CACHE };
  if (spawnSync('go', ['version'], { env }).status !== 0)
    throw new Error(
      'Go is not on this machine, so act cannot be built. Install Go, or leave this command out.',
    );
  run('go', ['install', `github.com/nektos/act@${VERSION}`], { env });
  return act;
}

const act = buildAct();
if (process.argv.includes('--build')) process.exit();
setup();
const site = await createSite(undefined, { app: UNVISITED });
const directory = mkdtempSync(path.join(os.tmpdir(), 'act-job-'));
try {
  const [workflow = ''] = codeBlocks(readFileSync(path.join(ROOT, 'README.md'), 'utf8'), 'yaml');
  const { host, port, username, key } = site.host.access;
  const sha = site.commit({ version: '1' });
  // The app's repository is on this disk, so its address is given.
  const replaced = workflow
    .replace('host: app.example.com', `host: ${host}:${port}`)
    .replace('username: deploy', `username: ${username}`)
    .replace('path: ~/app', `path: shop\n          repository: ${site.repository.url}\n          ref: ${sha}`)
    .replace('health-url: /', 'health-url: /health');
  mkdirSync(path.join(directory, '.github/workflows'), { recursive: true });
  writeFileSync(path.join(directory, '.github/workflows/deploy.yml'), replaced);
  const action = path.join(directory, 'action');
  mkdirSync(action);
  for (const name of ['action.yml', 'dist'])
    cpSync(path.join(ROOT, name), path.join(action, name), { recursive: true });
  for (const where of [action, directory]) {
    run('git', ['init', '-q', '-b', 'main'], { cwd: where });
    run('git', ['add', '-A'], { cwd: where });
    run('git', ['-c', 'user.name=Rig', '-c', 'user.email=rig@example.com', 'commit', '-qm', 'A job'], {
      cwd: where,
    });
  }
  const told = run(
    act,
    [
      'push',
      '-P',
      'ubuntu-latest=-self-hosted',
      '--local-repository',
      `OWNER/pm2-ssh-deploy@v1=${action}`,
      '-s',
      'DEPLOY_KEY',
      '--var',
      'DEPLOY_KNOWN_HOSTS',
    ],
    {
      cwd: directory,
      env: {
        ...process.env,
        PATH: `${path.dirname(process.execPath)}:${process.env.PATH}`,
        XDG_CACHE_HOME: path.join(directory, 'cache'),
        DEPLOY_KEY: key,
        DEPLOY_KNOWN_HOSTS: site.host.access['known-hosts'],
      },
    },
  );
  if ((await site.served()) !== '1' || !told.includes('Job succeeded')) throw new Error(told);
  console.log(`act ${VERSION} deployed ${sha} by README's workflow.`);
} finally {
  await site.stop();
  rmSync(directory, { recursive: true, force: true });
}
