import { expect, test } from 'vitest';
import { parseList } from '../../../src/host/pm2/list.ts';

test('reads an entry of PM2, the variables of the user apart from what PM2 puts beside them', () => {
  const [instance] = parseList([
    {
      pid: 42,
      name: 'web',
      pm_id: 3,
      monit: { memory: 1, cpu: 2 },
      pm2_env: {
        name: 'web',
        namespace: 'shop',
        status: 'online',
        restart_time: 2,
        unstable_restarts: 0,
        created_at: 10,
        pm_uptime: 20,
        pm_cwd: '/srv/web',
        cwd: '.',
        pm_exec_path: '/srv/web/server.js',
        script: 'server.js',
        args: ['--port', '1'],
        node_args: ['--no-warnings'],
        exec_interpreter: 'node',
        exec_mode: 'cluster_mode',
        instances: 2,
        wait_ready: true,
        listen_timeout: '4000',
        kill_timeout: 2000,
        max_memory_restart: 1024,
        pm_err_log_path: '/logs/web-error-3.log',
        error_file: '/logs/web-error.log',
        instance_var: 'NODE_APP_INSTANCE',
        NODE_APP_INSTANCE: 1,
        version: '1.2.3',
        axm_options: { error: true },
        FROM_SHELL: 'kept since the first start',
        PM2_SSH_DEPLOY_ID: 'deploy-1',
        PM2_HOME: '/home/x/.pm2',
        unique_id: 'abc',
        env_production: { A: 'no variable' },
        env: { A: '1', N: 3, B: false, version: 'of the user', web: '{}', PM2_USAGE: 'CLI' },
      },
    },
  ]);
  expect(instance).toMatchObject({
    pmId: 3,
    name: 'web',
    namespace: 'shop',
    pid: 42,
    status: 'online',
    restartTime: 2,
    createdAt: 10,
    pmUptime: 20,
    cwd: '/srv/web',
    script: '/srv/web/server.js',
    args: ['--port', '1'],
    nodeArgs: ['--no-warnings'],
    interpreter: 'node',
    execMode: 'cluster',
    instances: 2,
    waitReady: true,
    listenTimeout: 4000,
    killTimeout: 2000,
    autorestart: true,
    watch: false,
    errLogPath: '/logs/web-error-3.log',
    outLogPath: null,
    version: '1.2.3',
    deployId: 'deploy-1',
    module: false,
  });
  expect(instance?.env).toEqual({
    FROM_SHELL: 'kept since the first start',
    A: '1',
    N: '3',
    B: 'false',
    version: 'of the user',
  });
});

test('takes what other versions leave out', () => {
  expect(parseList([])).toEqual([]);
  const [stopped, bare, own] = parseList([
    {
      name: 'old',
      pm_id: '1',
      pm2_env: { status: 'stopped', PM2_SSH_DEPLOY_ID: 'deploy-2', env: {}, args: 'a b' },
    },
    { name: 'bare', pm_id: 2 },
    { name: 'pm2-logrotate', pm_id: 0, pid: 7, pm2_env: { pmx_module: true } },
    'no entry',
  ]);
  expect(stopped).toMatchObject({ pmId: 1, pid: 0, status: 'stopped', deployId: 'deploy-2', args: ['a b'] });
  expect(bare).toMatchObject({
    name: 'bare',
    status: 'unknown',
    execMode: 'fork',
    listenTimeout: null,
    env: {},
  });
  expect(own).toMatchObject({ module: true, pid: 7 });
});

test.each([null, {}, 'text', undefined])('%j is not a list', (given) => {
  expect(() => parseList(given)).toThrow('did not answer with a list of processes');
});
