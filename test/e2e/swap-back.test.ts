import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { UNVISITED } from '../rig/fixture-app.ts';
import { NEWEST } from '../rig/pm2.ts';
import { createSite, type Site } from '../rig/site.ts';

const KEPT = 'The files of this version are still on the server.';

/** Installs one package from a registry, and has the build bake it in. */
const install = (registry: number, version: string): string => `
const fs = require('fs');
require('http').get('http://127.0.0.1:${registry}/', (response) => {
  response.resume().on('end', () => {
    fs.mkdirSync('node_modules/dep/lib', { recursive: true });
    fs.writeFileSync('node_modules/dep/lib/index.js', 'module.exports = "${version}";');
    fs.symlinkSync('dep', 'node_modules/link');
  });
});
`;

/** One host lives through a row of them: each test leaves it to the next one. */
describe('a rollback to what is still on the disk', () => {
  let site: Site;
  let registry: Server;
  const shas: Record<string, string> = {};
  const inLive = (name: string): string => path.join(site.live, name);
  const dep = (): string => readFileSync(inLive('node_modules/link/lib/index.js'), 'utf8');

  beforeAll(async () => {
    registry = createServer((_, response) => response.end()).listen(0, '127.0.0.1');
    await new Promise((resolve) => registry.once('listening', resolve));
    const { port } = registry.address() as AddressInfo;
    site = await createSite(NEWEST, {
      app: UNVISITED,
      inputs: { 'install-command': 'node install.js', 'stable-for': '500ms' },
    });
    for (const version of ['A', 'B', 'C']) {
      shas[version] = site.commit({
        version,
        moreFiles: {
          'install.js': install(port, version),
          'same.txt': 'in all of them',
          [`only-${version}/page.txt`]: version,
        },
      });
      const deployed = await site.deploy({ ref: shas[version] ?? '' });
      expect(deployed, deployed.stdout).toMatchObject({ outputs: { outcome: 'deployed' } });
    }
  });
  afterAll(async () => {
    registry?.close();
    await site?.stop();
  });

  test('needs neither the git server nor the registry, for one version after the other', async () => {
    mkdirSync(inLive('uploads'));
    writeFileSync(inLive('uploads/cat.jpg'), 'a cat');
    writeFileSync(inLive('.env'), 'SECRET=1\n');
    const away = `${site.repository.path}.away`;
    renameSync(site.repository.path, away);
    await new Promise((resolve) => registry.close(resolve));
    for (const [from, to] of [
      ['C', 'B'],
      ['B', 'A'],
    ] as const) {
      const back = await site.deploy({ mode: 'rollback', ref: '' });
      expect(back, back.stdout).toMatchObject({
        code: 0,
        outputs: { outcome: 'deployed', sha: shas[to], 'previous-sha': shas[from] },
      });
      expect(back.stdout).toContain(KEPT);
      expect(back.stdout).toMatch(/canary +ok/);
      expect(back.stdout).not.toMatch(/node install\.js|node build\.js/);
      expect(await site.served()).toBe(to);
      expect(dep()).toContain(`"${to}"`);
      expect(readdirSync(site.live).filter((name) => name.startsWith('only-'))).toEqual([`only-${to}`]);
      expect(readFileSync(inLive('uploads/cat.jpg'), 'utf8')).toBe('a cat');
      expect(readFileSync(inLive('.env'), 'utf8')).toBe('SECRET=1\n');
      expect(existsSync(inLive('same.txt'))).toBe(true);
    }
    renameSync(away, site.repository.path);
  });

  test('and a push that goes back takes the same way, unless the settings changed', async () => {
    const again = await site.deploy({ ref: shas.B ?? '' });
    expect(again, again.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed', sha: shas.B } });
    expect(again.stdout).toContain(KEPT);
    expect(await site.served()).toBe('B');
    const changed = await site.deploy({ ref: shas.A ?? '', 'install-command': 'none' });
    expect(changed, changed.stdout).toMatchObject({ outputs: { outcome: 'deployed', sha: shas.A } });
    expect(changed.stdout).toContain('This version is built anew: the settings of the deploy,');
    expect(await site.served()).toBe('A');
  });
});
