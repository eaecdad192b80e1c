import { randomBytes } from 'node:crypto';
import { type Plan, PROTOCOL_VERSION } from '../../src/protocol.ts';

/** A plan with everything in it that a test does not care about. */
export function somePlan(changes: Partial<Plan> = {}): Plan {
  return {
    protocol: PROTOCOL_VERSION,
    mode: 'deploy',
    deployId: `test-${randomBytes(6).toString('hex')}`,
    run: {
      repository: 'acme/app',
      id: '1',
      attempt: '1',
      url: 'https://github.example/acme/app/actions/runs/1',
      actor: 'someone',
    },
    path: '~/app',
    workingDirectory: '',
    repository: { url: 'https://github.example/acme/app.git', given: false },
    gitToken: null,
    ref: 'main',
    refOrigin: 'input',
    allowUntrackedRef: false,
    force: false,
    waits: false,
    steps: {
      install: { kind: 'none' },
      build: { kind: 'none' },
      migrate: { kind: 'none' },
      'before-reload': { kind: 'none' },
      'after-reload': { kind: 'none' },
    },
    envFile: null,
    keepAssets: null,
    apps: [],
    ecosystem: null,
    script: null,
    pm2Env: null,
    onConfigChange: 'apply',
    localChanges: 'fail',
    save: false,
    commandTimeout: 60_000,
    healthTimeout: 60_000,
    stableFor: 1_000,
    lockTimeout: 60_000,
    keepReleases: 5,
    freshInstall: false,
    healthUrl: null,
    canary: 'off',
    handover: 'auto',
    drain: 'auto',
    ...changes,
  };
}
