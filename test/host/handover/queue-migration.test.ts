import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { expect, test } from 'vitest';
import { NEWEST } from '../../rig/pm2.ts';

const MODULE = path.resolve('src/host/handover/queue-migration.ts');

/** What the kernel's setting is before, while and after `work` runs, in a network of its own: other tests use it too. */
const SCRIPT = `
import { readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { whileQueuesMigrate } from ${JSON.stringify(MODULE)};
const file = '/proc/sys/net/ipv4/tcp_migrate_req';
const setting = () => readFileSync(file, 'utf8').trim();
for (const before of ['0', '1']) {
  writeFileSync(file, before);
  const during = await whileQueuesMigrate(async () => setting());
  console.log(before, during, setting());
}
writeFileSync(file, '0');
await whileQueuesMigrate(async () => { throw new Error('broken'); }).catch(({ message }) => console.log(message, setting()));
let end;
const first = whileQueuesMigrate(() => new Promise((resolve) => { end = resolve; }));
const during = await whileQueuesMigrate(async () => {
  end();
  await first;
  for (let looks = 0; looks < 1_000 && setting() === '0'; looks += 1) await pause(10);
  return setting();
});
console.log('two at once', during, setting());
`;

test('what waits at a port is handed on while the work runs, also when another one ends, and the setting is as before', () => {
  const asRoot = process.getuid?.() === 0 ? [] : ['--map-root-user'];
  const node = [NEWEST.node, '--disable-warning=MODULE_TYPELESS_PACKAGE_JSON', '--input-type=module'];
  const printed = execFileSync('unshare', [...asRoot, '--net', ...node, '--eval', SCRIPT], {
    encoding: 'utf8',
  });
  expect(printed).toBe('0 1 0\n1 1 1\nbroken 0\ntwo at once 1 0\n');
});
