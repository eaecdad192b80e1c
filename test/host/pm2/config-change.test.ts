import { describe, expect, test } from 'vitest';
import type { AppConfig, DeployApp } from '../../../src/host/pm2/app-config.ts';
import { configChanges, foretell, refuseChanges } from '../../../src/host/pm2/config-change.ts';
import { type Instance, parseList } from '../../../src/host/pm2/list.ts';
import type { DeployFailure } from '../../../src/host/system/failure.ts';

const app = (settings: AppConfig = {}): DeployApp => ({
  name: 'web',
  script: 'server.js',
  cwd: '/srv/web',
  exec_mode: 'cluster',
  instances: 2,
  env: { PORT: '3000' },
  ...settings,
});

/** Instances as PM2 lists them, of the app above but for the fields that are given. */
const running = (count: number, fields: Record<string, unknown> = {}): Instance[] =>
  parseList(
    Array.from({ length: count }, (_, id) => ({
      pid: 100 + id,
      name: 'web',
      pm_id: id,
      pm2_env: {
        status: 'online',
        pm_cwd: '/srv/web',
        pm_exec_path: '/srv/web/server.js',
        exec_mode: 'cluster_mode',
        instance_var: 'NODE_APP_INSTANCE',
        NODE_APP_INSTANCE: id,
        env: { PORT: '3000' },
        ...fields,
      },
    })),
  );

const changeOf = (config: DeployApp, instances: Instance[], last: DeployApp[] = []) =>
  configChanges([config], instances, last)[0]?.change;

describe('what it takes', () => {
  test.each<[string, DeployApp, Instance[], DeployApp[], object]>([
    ['the same', app(), running(2), [app()], { kind: 'nothing' }],
    ['nothing runs', app({ instances: 4 }), [], [app()], { kind: 'nothing' }],
    ['what PM2 applies', app({ args: '-x', env: { PORT: '1' } }), running(2), [app()], { kind: 'nothing' }],
    [
      'more instances',
      app({ instances: 4 }),
      running(2),
      [app()],
      { kind: 'scale up', by: 2, reasons: ['instances 2 -> 4'] },
    ],
    [
      'fewer instances',
      app({ instances: 1 }),
      running(4),
      [],
      { kind: 'scale down', by: 3, reasons: ['instances 4 -> 1'] },
    ],
    [
      'a scale by hand',
      app(),
      running(3),
      [app()],
      { kind: 'scale down', by: 1, reasons: ['instances 3 -> 2 (changed on the server; the file decides)'] },
    ],
    [
      'another script and cwd',
      app({ script: 'main.js', cwd: '/srv/web/dist' }),
      running(2),
      [],
      {
        kind: 'reload',
        reasons: ['cwd /srv/web -> /srv/web/dist', 'script /srv/web/server.js -> /srv/web/dist/main.js'],
      },
    ],
    [
      'npm in cluster mode, whose child has the port, and a script of its own',
      app({ instances: 1 }),
      running(1, { pm_exec_path: '/usr/lib/node_modules/npm/bin/npm-cli.js' }),
      [],
      {
        kind: 'recreate',
        outage: 4_600,
        reasons: [
          'npm in cluster mode, which keeps the port until it ends',
          'script /usr/lib/node_modules/npm/bin/npm-cli.js -> /srv/web/server.js',
        ],
      },
    ],
    [
      'the way back to it',
      app({ instances: 1, script: '/srv/web/node_modules/tsx/dist/cli.mjs' }),
      running(1),
      [],
      {
        kind: 'recreate',
        outage: 4_600,
        reasons: [
          'tsx in cluster mode, which keeps the port until it ends',
          'script /srv/web/server.js -> /srv/web/node_modules/tsx/dist/cli.mjs',
        ],
      },
    ],
    [
      'wait_ready taken out, and a count',
      app({ instances: 3 }),
      running(2, { wait_ready: true }),
      [app({ wait_ready: true })],
      { kind: 'scale up', by: 1, reasons: ['instances 2 -> 3', 'wait_ready true -> false'] },
    ],
    [
      'settings of which only the files tell',
      app({ error_file: 'b.log', node_args: '--x', listen_timeout: 5 }),
      running(2),
      [app({ error_file: 'a.log', max_memory_restart: '300M', listen_timeout: 4, autorestart: false })],
      { kind: 'reload', reasons: ['error_file changed', 'max_memory_restart removed'] },
    ],
    [
      'cluster to fork',
      app({ exec_mode: 'fork', instances: 1, listen_timeout: 5_000 }),
      running(2, { kill_timeout: 2_000 }),
      [],
      { kind: 'recreate', outage: 7_000, reasons: ['exec_mode cluster -> fork'] },
    ],
    [
      'watch off',
      app({ watch: false }),
      running(2, { watch: ['src'] }),
      [app({ watch: ['src'] })],
      { kind: 'reload', reasons: ['watch on -> off'] },
    ],
    [
      'watch on',
      app({ watch: true }),
      running(2, { watch: false }),
      [],
      { kind: 'recreate', outage: 4_600, reasons: ['watch off -> on'] },
    ],
    [
      'another variable for the number',
      app({ instance_var: 'INDEX' }),
      running(2),
      [],
      { kind: 'recreate', outage: 4_600, reasons: ['instance_var NODE_APP_INSTANCE -> INDEX'] },
    ],
  ])('%s', (_, config, instances, last, change) => {
    expect(changeOf(config, instances, last)).toEqual(change);
  });

  test('a mode that the file leaves to PM2, as before, is what PM2 has chosen', () => {
    const file = app({ script: 'server', exec_mode: undefined as never });
    const instances = running(2, { pm_exec_path: '/srv/web/server' });
    expect(changeOf(file, instances, [file])).toEqual({ kind: 'nothing' });
  });
});

describe('variables', () => {
  const last = app({ env: { PORT: '3000', GONE: '1', LATE: '1' }, env_production: { STAGE: 'p' } });
  const instances = running(2, {
    FROM_SHELL: '1',
    env: { PORT: '3000', GONE: '1', STAGE: 'p', status: 'x' },
  });

  test('are removed where the last deploy gave them, they are there, and the file has them no more', () => {
    const [change] = configChanges([app()], instances, [last]);
    expect(change?.removed).toEqual(['GONE', 'STAGE']);
    expect(change?.change).toEqual({
      kind: 'reload',
      reasons: ['variable GONE removed', 'variable STAGE removed'],
    });
  });

  test('that no deploy gave are left: they are of the shell that first started the app', () => {
    expect(configChanges([app()], instances, [])[0]?.removed).toEqual([]);
  });
});

describe('in words', () => {
  const changes = (config: DeployApp, instances: Instance[]) => configChanges([config], instances, []);

  test('beforehand', () => {
    expect(foretell(changes(app(), running(2)))).toEqual([]);
    expect(foretell(changes(app({ exec_mode: 'fork', instances: 1 }), running(2)))).toEqual([
      "'web': exec_mode cluster -> fork. This needs a stop and a start. Expect up to 5 s of refused connections.",
    ]);
    expect(foretell(changes(app(), running(4)))).toEqual([
      "'web': instances 4 -> 2. The last 2 will be removed when the others run the new version.",
    ]);
  });

  test.each<[string, DeployApp, Instance[], string]>([
    ['more', app({ instances: 4 }), running(2), "'pm2 scale web 4'"],
    ['fewer: the last ones, where PM2 would remove the first', app(), running(4), "'pm2 delete 2 3'"],
    ['anything else', app({ script: 'x.js' }), running(4), "'pm2 delete web'"],
  ])('the command for %s', (_, config, instances, command) => {
    const refusal = (): void => refuseChanges(changes(config, instances));
    expect(refusal).toThrow(/^PM2's reload would not apply these changes of the ecosystem file: 'web': /);
    try {
      refusal();
    } catch (error) {
      expect((error as DeployFailure).remedy).toContain(
        `Run on the server ${command}. Then run this job again`,
      );
    }
  });

  test('nothing is refused where nothing differs', () => {
    expect(() => refuseChanges(changes(app(), running(2)))).not.toThrow();
  });
});
