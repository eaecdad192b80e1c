import { describe, expect, test } from 'vitest';
import { adviseAfterReload } from '../../../src/host/deploy/reload-advice.ts';
import type { DeployApp } from '../../../src/host/pm2/app-config.ts';

const web: DeployApp = { name: 'web', cwd: '/srv', script: 'a.js', wait_ready: true, env: { PORT: 1 } };
const calm = { serves: true, waits: [400, 500], limit: 3_000, killedAfter: null };

test('a reload with time to spare calls for nothing', () => {
  expect(adviseAfterReload(web, calm)).toEqual([]);
  expect(adviseAfterReload(web, { ...calm, waits: [] })).toEqual([]);
});

describe('the time to get ready', () => {
  test('near the limit', () => {
    const [advice, ...more] = adviseAfterReload(web, { ...calm, waits: [400, 2_300] });
    expect(advice).toContain('ready after 2.3 s; after 3 s PM2 ends the old one');
    expect(advice).toContain('"listen_timeout: 10000"');
    expect(more).toEqual([]);
  });

  test('all of it', () => {
    const [advice, ...more] = adviseAfterReload(web, { ...calm, waits: [8_004, 900], limit: 8_000 });
    expect(advice).toContain('PM2 waited 8 s (listen_timeout) for a new instance');
    expect(advice).toContain(
      'make sure that it calls process.send(\'ready\'), or set "listen_timeout: 24000"',
    );
    expect(more).toEqual([]);
  });

  test('a worker that serves nobody has nothing to be ready for', () => {
    const worker = { ...web, wait_ready: false, env: {} };
    expect(adviseAfterReload(worker, { ...calm, serves: false, waits: [3_001] })).toEqual([]);
  });
});

describe('an old instance that PM2 had to kill', () => {
  test('is told to close what never ends by itself', () => {
    const [advice] = adviseAfterReload(web, { ...calm, killedAfter: 1_600 });
    expect(advice).toContain('still alive 1.6 s after PM2 told it to end');
    expect(advice).toContain('on SIGINT close the server and all open connections');
    expect(advice).toContain('Only if ordinary requests take that long, set "kill_timeout: 5000" too');
  });

  test('that had time for every request is not given more', () => {
    const [advice] = adviseAfterReload(web, { ...calm, killedAfter: 8_000 });
    expect(advice).toContain('on SIGINT close');
    expect(advice).not.toContain('kill_timeout');
  });
});
