import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { ROOT } from '../rig/places.ts';
import { NEWEST } from '../rig/pm2.ts';
import { setup } from '../rig/setup.ts';
import { createSite, type Site } from '../rig/site.ts';

/**
 * Records what real deploys of each kind end with, for the tests of the report: run it again when the protocol changes:
 * `npm run record:report`.
 */
setup();
const TO = path.join(ROOT, 'test/report/real');

function newestResult(site: Site): string {
  const runs = path.join(site.host.directory, '.local/state/pm2-ssh-deploy/runs');
  const files = readdirSync(runs)
    .map((id) => path.join(runs, id, 'events.ndjson'))
    .sort((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs);
  const last =
    readFileSync(files[0] ?? '', 'utf8')
      .trim()
      .split('\n')
      .at(-1) ?? '';
  return last
    .replaceAll(site.host.directory, '/home/deploy')
    .replaceAll(ROOT, '/usr/lib')
    .replaceAll(String(site.port), '3000');
}

function record(site: Site, name: string): void {
  const { result } = JSON.parse(newestResult(site)) as { result: unknown };
  writeFileSync(path.join(TO, `${name}.json`), `${JSON.stringify(result, null, 2)}\n`);
}

const site = await createSite(NEWEST, { inputs: { 'stable-for': '2s', 'health-url': '/health' } });
try {
  const deploy = async (name: string, files: Record<string, string>, inputs = {}): Promise<void> => {
    const run = await site.deploy({ ref: site.commit({ files }), ...inputs });
    record(site, name);
    process.stdout.write(`${name}: ${run.outputs.outcome}\n`);
  };
  await deploy('first', site.files({ version: '1' }));
  const second = site.files({ version: '2' });
  await deploy('deployed', second);
  await deploy('canary-failed', site.files({ version: '3', flaw: 'throws at boot' }));
  await deploy('rolled-back', site.files({ version: '4', flaw: 'throws at boot' }), { canary: 'off' });
  await deploy('build-failed', site.files({ version: '5', flaw: 'build fails' }));
  const needy = site.files({ version: '6' });
  const server = 'src/server.js';
  needy[server] = `require('fs').readFileSync(__dirname + '/../needed');\n${needy[server]}`;
  writeFileSync(path.join(site.live, 'needed'), '');
  await deploy('deployed-again', needy);
  const broken = site.files({ version: '7', flaw: 'throws at boot' });
  broken[server] = `require('fs').rmSync(__dirname + '/../needed', { force: true });\n${broken[server]}`;
  await deploy('rollback-failed', broken, { canary: 'off', 'health-timeout': '5s' });
} finally {
  await site.stop();
}
