import { expect, it } from 'vitest';
import { choosePackageManager } from '../../../src/host/build/package-managers.ts';

it.each<[string[], string | null, string | null]>([
  [['package-lock.json'], null, 'npm ci --include=dev --no-audit --no-fund'],
  [['npm-shrinkwrap.json'], null, 'npm ci --include=dev --no-audit --no-fund'],
  [['pnpm-lock.yaml'], null, 'pnpm install --frozen-lockfile --prod=false'],
  [['yarn.lock'], null, 'yarn install --frozen-lockfile --production=false --non-interactive'],
  [['yarn.lock'], 'yarn@1.22.22', 'yarn install --frozen-lockfile --production=false --non-interactive'],
  [['yarn.lock'], 'yarn@4.1.0', 'yarn install --immutable'],
  [['yarn.lock', '.yarnrc.yml'], null, 'yarn install --immutable'],
  [['bun.lock'], null, 'bun install --frozen-lockfile'],
  [['bun.lockb'], null, 'bun install --frozen-lockfile'],
  [['package-lock.json', 'pnpm-lock.yaml'], 'pnpm@9.0.0', 'pnpm install --frozen-lockfile --prod=false'],
  [['package-lock.json', 'pnpm-lock.yaml'], null, 'npm ci --include=dev --no-audit --no-fund'],
  [['package.json'], 'pnpm@9.0.0', null],
])('%j with packageManager %s: %s', (files, field, command) => {
  const chosen = choosePackageManager({ files: new Set(files), field });
  expect(chosen === null ? null : [chosen.name, ...chosen.install].join(' ')).toBe(command);
});
