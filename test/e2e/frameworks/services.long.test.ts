import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { createSite, type Site } from '../../rig/site.ts';
import { cluster, ecosystem, expressApp } from './express.ts';
import { AS_USERS_DO, type Flaw, livesThrough, tell } from './life.ts';

/** A web server, a worker without a port, one in Python, and a job that PM2's clock starts every other second. */
function files(site: Site, name: string, flaw?: Flaw, counts = 'pass'): Record<string, string> {
  const log = (file: string): string =>
    `require('fs').appendFileSync(${JSON.stringify(path.join(site.host.directory, file))}, '${name}\\n');`;
  return {
    ...expressApp(name, flaw),
    'worker.js': `setInterval(() => { ${log('worked')} }, 200);\n`,
    'count.py': `import time
${counts}
while True:
    with open(${JSON.stringify(path.join(site.host.directory, 'counted'))}, 'a') as file:
        file.write('${name}\\n')
    time.sleep(0.2)
`,
    'job.js': `${log('jobs')}\nsetTimeout(() => process.exit(0), 300);\n`,
    ...ecosystem(
      cluster('web', site.port),
      { name: 'worker', script: 'worker.js', exec_mode: 'fork' },
      { name: 'counter', script: 'count.py', interpreter: 'python3' },
      { name: 'job', script: 'job.js', autorestart: false, cron_restart: '*/2 * * * * *' },
    ),
  };
}

test('web, two workers and a cron job of one file, one of them in Python, change versions together, and lose no request', {
  timeout: 600_000,
}, async () => {
  await using site = await createSite();
  const wrote = (file: string): string[] =>
    readFileSync(path.join(site.host.directory, file), 'utf8').trim().split('\n');
  const load = await livesThrough(site, { files: (name, flaw) => files(site, name, flaw) });
  tell('Express beside a worker, one in Python, and a cron job', load);
  expect(load.failures).toEqual({});
  for (const file of ['worked', 'counted', 'jobs']) {
    const turns = wrote(file).filter((version, at, all) => version !== all[at - 1]);
    expect(turns, file).toEqual(['1', '2', '1']);
  }

  const crash = "raise RuntimeError('the queue is gone')";
  const ref = site.commit({ files: files(site, '3', undefined, crash) });
  const broken = await site.deploy({ ...AS_USERS_DO, ref });
  expect(broken, broken.stdout).toMatchObject({ code: 1, outputs: { outcome: 'rolled-back' } });
  expect(broken.stdout).toContain("Last lines of the error log of 'counter', the new version:");
  expect(broken.stdout).toContain('RuntimeError: the queue is gone');
  expect(await site.served()).toBe('1');
  for (const file of ['worked', 'counted', 'jobs']) await expect.poll(() => wrote(file).at(-1)).toBe('1');
});
