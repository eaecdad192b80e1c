import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { registryCertificates } from '../../rig/certificates.ts';
import { createInstaller } from './installer.ts';

const ABOUT = { name: 'app', version: '1.0.0', dependencies: { express: '5.1.0', esbuild: '0.25.10' } };

test.each([
  { manager: 'npm', tool: null, lockfile: 'package-lock.json', rest: {}, field: undefined },
  { manager: 'pnpm', tool: 'pnpm@10.34.9', lockfile: 'pnpm-lock.yaml', rest: {} },
  { manager: 'yarn', tool: 'yarn@1.22.22', lockfile: 'yarn.lock', rest: {} },
  {
    manager: 'yarn',
    tool: '@yarnpkg/cli-dist@4.9.2',
    lockfile: 'yarn.lock',
    field: 'yarn@4.9.2',
    rest: { '.yarnrc.yml': 'nodeLinker: node-modules\nenableTelemetry: false\n' },
  },
  // The program itself: the package `bun` fetches it by a script, which not every npm runs.
  { manager: 'bun', tool: '@oven/bun-linux-x64@1.4.5', lockfile: 'bun.lock', rest: {} },
])(
  'what $manager ($tool) installed is the same when it is reused',
  async ({ manager, tool, lockfile, rest, field }) => {
    const on = createInstaller();
    try {
      const certificates = registryCertificates();
      if (certificates !== null) on.env.NODE_EXTRA_CA_CERTS = certificates;
      for (const [name, value] of Object.entries(process.env))
        if (/^npm_config_(registry|cafile|userconfig)$|proxy$/i.test(name)) on.env[name] = value;
      if (tool !== null) {
        const tools = join(on.scratch, 'tools');
        mkdirSync(tools);
        execFileSync('npm', ['install', '--global', '--prefix', tools, tool], { stdio: 'pipe' });
        const bun = join(tools, 'lib/node_modules/@oven/bun-linux-x64/bin');
        on.env.PATH = `${join(tools, 'bin')}:${bun}:${on.env.PATH}`;
      }
      const about = JSON.stringify({ ...ABOUT, packageManager: field });
      const files = { '.gitignore': 'node_modules\n.yarn\n', 'package.json': about, ...rest };
      on.commit(files);
      execFileSync(manager, ['install'], { cwd: on.top, env: on.env, stdio: 'pipe' });
      const made = (name: string): string => readFileSync(join(on.top, name), 'utf8');
      // Yarn 4 writes it in a form of its own.
      const locked = { ...files, [lockfile]: made(lockfile), 'package.json': made('package.json') };
      on.commit(locked);
      const fresh = await on.install();
      expect(on.lines.join('\n')).not.toContain('not reused by later deploys');
      expect(fresh.length).toBeGreaterThan(300);
      on.commit({ ...locked, 'src/app.js': 'changed' });
      expect(await on.install()).toEqual(fresh);
      expect(on.reused(), on.lines.join('\n')).toBe(true);
    } finally {
      on.remove();
    }
  },
);
