import { expect, test } from 'vitest';
import { decidesInstall, managersIn, whyUnrepeatable } from '../../../src/host/build/install-inputs.ts';

test.each<[string, string[] | null]>([
  ['npm ci --include=dev --no-audit --no-fund', ['npm']],
  ['NODE_ENV=development npm ci', ['npm']],
  ['npm ci\n  --omit=optional', null],
  ['npm ci && pnpm install --frozen-lockfile', ['npm', 'pnpm']],
  ['yarn', ['yarn']],
  ['yarn --immutable; bun install', ['yarn', 'bun']],
  ['npm install left-pad', null],
  ['npm ci --prefix server', null],
  ['npm ci && npx prisma generate', null],
  ['npm run setup', null],
  ['npm ci "$FLAGS"', null],
  ['npm ci > log', null],
  ['npm ci & ./background', null],
  ['make deps', null],
  ['', null],
])('%j installs by %j and does nothing else', (command, managers) => {
  expect(managersIn(command)).toEqual(managers);
});

test.each([
  ...['package.json', 'apps/web/package.json', 'pnpm-lock.yaml', 'apps/web/.npmrc', '.yarnrc.yml'],
  ...['.yarn/releases/yarn-4.cjs', 'patches/a@1.patch', 'prisma/schema.prisma', '.pnpmfile.cjs', 'bun.lockb'],
])('%s decides an install', (path) => {
  expect(decidesInstall(path)).toBe(true);
});

test.each(['src/server.js', 'README.md', 'tsconfig.json', 'src/package.json.ts'])('%s does not', (path) => {
  expect(decidesInstall(path)).toBe(false);
});

const manifest = (content: object): ReadonlyMap<string, string> =>
  new Map([['a/package.json', JSON.stringify(content)]]);

test.each<[string, object, string | null]>([
  ['nothing of its own', { dependencies: { express: '^4', shared: 'workspace:*' } }, null],
  ['a build script', { scripts: { build: 'tsc' } }, null],
  ['hooks of git', { scripts: { prepare: 'husky || true' } }, null],
  ['patches', { scripts: { postinstall: 'patch-package && husky install' } }, null],
  [
    'a script that reads sources',
    { scripts: { postinstall: 'prisma generate' } },
    "a/package.json has a script 'postinstall', which may read any file of the commit",
  ],
  [
    'a script behind a harmless one',
    { scripts: { prepare: 'husky && npm run codegen' } },
    "a/package.json has a script 'prepare', which may read any file of the commit",
  ],
  [
    'a copied directory',
    { devDependencies: { shared: 'file:../shared' } },
    "a/package.json has a dependency on files of the project, 'file:../shared'",
  ],
  [
    'an override by a copied directory',
    { pnpm: { overrides: { shared: './shared' } } },
    "a/package.json has a dependency on files of the project, './shared'",
  ],
  [
    'an injected package',
    { dependenciesMeta: { shared: { injected: true } } },
    'a/package.json has packages of the project copied',
  ],
])('%s: why it cannot be repeated', (_, content, why) => {
  expect(whyUnrepeatable(manifest(content), [])).toBe(why);
});

test('neither can sources that are compiled, nor settings that copy packages', () => {
  expect(whyUnrepeatable(new Map(), ['native/binding.gyp'])).toBe(
    'native/binding.gyp compiles sources of the project',
  );
  expect(whyUnrepeatable(new Map([['.npmrc', 'install-links=true']]), [])).toBe(
    '.npmrc may have packages of the project copied',
  );
});
