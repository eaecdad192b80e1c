import { expect, test } from 'vitest';
import { remarksOnPm2, requireVolumes } from '../../../src/host/deploy/in-container.ts';
import { DeployFailure } from '../../../src/host/system/failure.ts';
import { keeperOf, parseMounts } from '../../../src/host/system/mounts.ts';

const NAMELESS = `${'c0ffee'.repeat(10)}c0ff`;
/** As docker and podman have it. */
const MOUNTS =
  parseMounts(`79 51 0:41 / / rw,relatime - overlay overlay rw,lowerdir=/var/lib/docker/overlay2/l/YSK
80 79 254:0 /var/lib/docker/volumes/shop/_data /srv rw,relatime master:1 - ext4 /dev/vda rw
81 79 254:0 /home/deploy/site /site rw,relatime - xfs /dev/vda rw
82 79 254:0 /var/lib/docker/volumes/${NAMELESS}/_data /data rw,relatime - ext4 /dev/vda rw
83 79 0:46 / /dev rw,nosuid - tmpfs tmpfs rw,size=65536k
84 79 0:52 / /tmp rw,nosuid - tmpfs tmpfs rw
85 79 0:60 / /opt/app rw - overlay overlay rw,lowerdir=/home/deploy/app
86 80 0:61 / /srv/cache rw - tmpfs tmpfs rw
87 79 254:0 /etc/hosts /etc/hosts rw - ext4 /dev/vda rw
`);

test.each([
  ['/srv/shop', 'volume'],
  ['/srv', 'volume'],
  ['/site', 'volume'],
  ['/srv2', 'nothing'],
  ['/root/.local/state', 'nothing'],
  ['/opt/app/x', 'nothing'],
  ['/data/shop', 'nameless volume'],
  ['/tmp/shop', 'memory'],
  ['/srv/cache/shop', 'memory'],
])('%s is kept by: %s', (path, keeper) => {
  expect(keeperOf(path, MOUNTS)).toBe(keeper);
});

test('a mount that covers another one counts, and what is not known is not said', () => {
  const covered = parseMounts('1 0 8:1 / /srv rw - ext4 /dev/sda rw\n2 1 0:9 / /srv rw - tmpfs tmpfs rw\n');
  expect(keeperOf('/srv/shop', covered)).toBe('memory');
  expect(keeperOf('/srv/shop', [])).toBeNull();
});

const SHOP = { name: 'shop', pathVolatile: 'fail' } as const;
const state = (directory: string): string => `${directory}/pm2-ssh-deploy/shop-0123`;

function refusal(places: { top: string; state: string }): DeployFailure | null {
  try {
    requireVolumes(SHOP, places, MOUNTS);
    return null;
  } catch (error) {
    return error as DeployFailure;
  }
}

test('what is lost with the container is refused, with the -v lines that keep it', () => {
  expect(refusal({ top: '/srv/shop', state: state('/srv/.state') })).toBeNull();
  const both = refusal({ top: '/app', state: state('/root/.local/state') });
  expect(both?.message).toBe(
    "path (/app) is in the container's own layer. The state of the deploys (/root/.local/state) is in the container's own layer. It is lost when container 'shop' is recreated.",
  );
  expect(both?.remedy).toContain('-v shop-app:/app -v shop-state:/root/.local/state.');
  const one = refusal({ top: '/srv/shop', state: state('/root/.local/state') });
  expect(one?.remedy).toContain(': -v shop-state:/root/.local/state.');
  expect(refusal({ top: '/data/shop', state: state('/srv') })?.message).toContain('a volume without a name');
  expect(refusal({ top: '/tmp/shop', state: state('/srv') })?.message).toContain('in memory');
});

test('who knows what is lost may deploy there', () => {
  const allowing = { ...SHOP, pathVolatile: 'allow' } as const;
  expect(() => requireVolumes(allowing, { top: '/app', state: state('/x') }, MOUNTS)).not.toThrow();
});

const RUNTIME = ['node', '/usr/local/bin/pm2-runtime', 'start', 'ecosystem.config.js', '--no-auto-exit'];
const INIT = ['/sbin/docker-init', '--', 'pm2-runtime', 'start'];

test.each<[string, number | null, [number, string[]][], string[]]>([
  [
    'as the page of docs has it',
    7,
    [
      [1, INIT],
      [7, RUNTIME],
    ],
    [],
  ],
  ['without an init', 1, [[1, RUNTIME]], ['--init']],
  [
    'with auto-exit',
    7,
    [
      [1, INIT],
      [7, RUNTIME.slice(0, -1)],
    ],
    ['--no-auto-exit'],
  ],
  [
    'in the background',
    9,
    [
      [1, ['sleep', 'infinity']],
      [9, ['PM2 v7.0.4: God Daemon (/root/.pm2)']],
    ],
    ['was not started by pm2-runtime'],
  ],
  ['not at all', null, [[1, ['sleep', 'infinity']]], ['No PM2 runs in container']],
])('where PM2 runs %s, it remarks on %s', (_, daemon, commands, expected) => {
  const remarks = remarksOnPm2(SHOP, daemon, new Map(commands));
  expect(remarks).toEqual(expected.map((text) => expect.stringContaining(text)));
});

test("a pm2-runtime that is not this user's is refused: the app would run twice", () => {
  expect(() => remarksOnPm2(SHOP, null, new Map([[1, RUNTIME]]))).toThrow(DeployFailure);
});
