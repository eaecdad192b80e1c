import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Machine, rotationOf, startsAtBoot, startupCommand } from '../../../src/host/deploy/upkeep.ts';

let root: string;
let machine: Machine;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'upkeep-'));
  const home = join(root, 'home/deploy');
  machine = { etc: join(root, 'etc'), user: 'deploy', home, pm2Home: join(home, '.pm2'), crontab: '' };
});
afterEach(() => rmSync(root, { recursive: true }));

function write(file: string, text: string): void {
  mkdirSync(dirname(join(root, file)), { recursive: true });
  writeFileSync(join(root, file), text);
}

/** As `pm2 startup` writes it. */
const unit = (user: string): string =>
  `[Unit]\nDescription=PM2 process manager\n[Service]\nType=forking\nUser=${user}\nEnvironment=PM2_HOME=/home/${user}/.pm2\nExecStart=/usr/lib/node_modules/pm2/bin/pm2 resurrect\n`;

test('a service, an init script or a line of cron that names PM2 and this user starts it after a reboot', () => {
  expect(startsAtBoot(machine)).toBe(false);
  write('etc/systemd/system/pm2-other.service', unit('other'));
  write('etc/systemd/system/mail.service', '[Service]\nUser=deploy\nExecStart=/usr/bin/mail\n');
  write('etc/systemd/system/multi-user.target.wants/x', '');
  expect(startsAtBoot(machine)).toBe(false);
  expect(startsAtBoot({ ...machine, user: 'other' })).toBe(true);
  expect(startsAtBoot({ ...machine, user: 'root' })).toBe(false);

  expect(startsAtBoot({ ...machine, crontab: '@reboot /usr/bin/pm2 resurrect\n' })).toBe(true);
  write('etc/init.d/pm2-deploy', '#!/bin/bash\nNAME=pm2\nUSER=deploy\n');
  expect(startsAtBoot(machine)).toBe(true);
  rmSync(join(root, 'etc/init.d'), { recursive: true });
  write('home/deploy/.config/systemd/user/apps.service', 'ExecStart=%h/.local/bin/pm2 resurrect\n');
  expect(startsAtBoot(machine)).toBe(true);
});

test("the line to run is PM2's own, as root without sudo, and for a PM2_HOME elsewhere with that", () => {
  const install = { bin: '/opt/pm2/bin/pm2', root: '/opt/pm2', version: '7.0.4' };
  const home = '/home/deploy';
  const usual = { ...machine, home, pm2Home: '/home/deploy/.pm2' };
  expect(startupCommand(usual, install, '/opt/node/bin/node', false)).toBe(
    'sudo env PATH=$PATH:/opt/node/bin /opt/pm2/bin/pm2 startup -u deploy --hp /home/deploy',
  );
  const elsewhere = { ...usual, pm2Home: '/srv/pm2' };
  expect(startupCommand(elsewhere, install, '/opt/node/bin/node', true)).toBe(
    'env PATH=$PATH:/opt/node/bin PM2_HOME=/srv/pm2 /opt/pm2/bin/pm2 startup -u deploy',
  );
});

test("logs are rotated by PM2's module, or by a rule of logrotate that names them", () => {
  write('etc/logrotate.d/nginx', '/var/log/nginx/*.log { daily }\n');
  expect(rotationOf(machine)).toBeNull();
  write('etc/logrotate.d/apps', '/home/deploy/.pm2/logs/*.log { daily }\n');
  expect(rotationOf(machine)).toBe("logrotate rotates PM2's logs.");
  mkdirSync(join(machine.pm2Home, 'modules/pm2-logrotate'), { recursive: true });
  expect(rotationOf(machine)).toBe("pm2-logrotate rotates PM2's logs.");
});
