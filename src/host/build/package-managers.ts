/** What the package managers differ in. The order decides where a project has several lockfiles and does not say. */
export interface PackageManager {
  name: 'npm' | 'pnpm' | 'yarn' | 'bun';
  lockfiles: readonly string[];
  /** Installs exactly what the lockfile says, development dependencies included, since the build needs them. */
  install: (version: Version) => readonly string[];
}

/** From the `packageManager` field of package.json, or from what lies beside it. */
interface Version {
  /** Yarn 2 and later. */
  berry: boolean;
}

export const PACKAGE_MANAGERS: readonly PackageManager[] = [
  {
    name: 'npm',
    lockfiles: ['package-lock.json', 'npm-shrinkwrap.json'],
    install: () => ['ci', '--include=dev', '--no-audit', '--no-fund'],
  },
  {
    name: 'pnpm',
    lockfiles: ['pnpm-lock.yaml'],
    install: () => ['install', '--frozen-lockfile', '--prod=false'],
  },
  {
    name: 'yarn',
    lockfiles: ['yarn.lock'],
    install: ({ berry }) =>
      berry
        ? ['install', '--immutable']
        : ['install', '--frozen-lockfile', '--production=false', '--non-interactive'],
  },
  { name: 'bun', lockfiles: ['bun.lock', 'bun.lockb'], install: () => ['install', '--frozen-lockfile'] },
];

/** What a directory says about its package manager. */
export interface Evidence {
  /** Names of the files that lie in it. */
  files: ReadonlySet<string>;
  /** The `packageManager` field, such as `pnpm@9.1.0`. */
  field: string | null;
}

/** The package manager of a project and its install arguments, or null if no lockfile decides it. */
export function choosePackageManager({
  files,
  field,
}: Evidence): { name: string; install: readonly string[] } | null {
  const locked = PACKAGE_MANAGERS.filter((manager) => manager.lockfiles.some((file) => files.has(file)));
  const manager = locked.find(({ name }) => field?.startsWith(`${name}@`)) ?? locked[0];
  if (manager === undefined) return null;
  const berry = files.has('.yarnrc.yml') || /^yarn@(?!1\.)/.test(field ?? '');
  return { name: manager.name, install: manager.install({ berry }) };
}
