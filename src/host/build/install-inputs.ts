import { basename } from 'node:path';
import { PACKAGE_MANAGERS } from './package-managers.ts';

const LOCKFILES = PACKAGE_MANAGERS.flatMap(({ lockfiles }) => lockfiles);

/** Files of a commit that an install goes by, by their name. */
const NAMES = new Set([
  ...['package.json', 'pnpm-workspace.yaml', 'lerna.json', 'bunfig.toml', '.node-version', '.nvmrc'],
  ...['.tool-versions', 'mise.toml', '.mise.toml', ...LOCKFILES],
]);
/** `.prisma` files, since the package `@prisma/client` reads them when it is installed. */
const PATTERNS =
  /(^|\/)(\.npmrc|\.yarnrc|\.yarnrc\.yml|\.pnpmfile\.[cm]?js|\.puppeteerrc[^/]*|puppeteer\.config[^/]*|prisma\.config[^/]*|[^/]+\.(prisma|patch|diff))$|(^|\/)(\.yarn|patches)\//;

/** Whether a file of the commit decides what an install makes. */
export function decidesInstall(path: string): boolean {
  return NAMES.has(basename(path)) || PATTERNS.test(path);
}

export function isLockfile(path: string): boolean {
  return LOCKFILES.includes(basename(path));
}

const INSTALLS: Readonly<Record<string, readonly string[]>> = {
  npm: ['ci', 'install', 'i', 'clean-install'],
  pnpm: ['install', 'i'],
  yarn: ['install', ''],
  bun: ['install', 'i'],
};
/** Neither quotes nor anything else that a shell gives a meaning to, but for `&&`, `;` and line ends. */
const PLAIN = /^[\w@%+=:,./\s;&-]*$/;

/**
 * The package managers of a command that installs by them and does nothing else: `npm ci --omit=optional`. Null for any
 * other command: it could read any file.
 */
export function managersIn(command: string): string[] | null {
  if (!PLAIN.test(command)) return null;
  const parts = command
    .split(/&&|;|\n/)
    .map((part) => part.trim().split(/\s+/))
    .filter(([first]) => first !== '');
  const managers = parts.map((words) => {
    const [name = '', verb = '', ...rest] = words.filter((word, at) => at > 0 || !/^\w+=/.test(word));
    const [known, flags] = verb.startsWith('-') ? ['', [verb, ...rest]] : [verb, rest];
    const installs = INSTALLS[name]?.includes(known) === true && flags.every((flag) => flag.startsWith('-'));
    return installs ? name : null;
  });
  return managers.length === 0 || managers.includes(null) ? null : (managers as string[]);
}

/** Scripts that an install runs of the project itself. */
const LIFECYCLE = [
  ...['preinstall', 'install', 'postinstall', 'prepublish', 'preprepare', 'prepare', 'postprepare'],
  ...['predependencies', 'dependencies', 'postdependencies', 'pnpm:devPreinstall'],
];
/** These read nothing but what decides an install anyway, or write to `.git` alone. */
const HARMLESS =
  /^((npx )?(husky( install)?( [\w./-]+)?|patch-package( --error-on-(fail|warn))*|lefthook install|simple-git-hooks|only-allow \w+|is-ci)|true|exit 0)$/;

/** A dependency whose files are copied from the repository, or made by it. */
const LOCAL = /^(file:|portal:|exec:|\.{1,2}\/|\/|~\/)/;
const DEPENDENCIES = [
  ...['dependencies', 'devDependencies', 'optionalDependencies', 'peerDependencies', 'overrides'],
  ...['resolutions', 'pnpm'],
];

/**
 * Why an install of these files can give another result although none of them changed, as a sentence's end; null if it
 * cannot. `files` are the commit's files that decide it, with their text.
 */
export function whyUnrepeatable(
  files: ReadonlyMap<string, string>,
  tracked: Iterable<string>,
): string | null {
  for (const path of tracked)
    if (basename(path) === 'binding.gyp') return `${path} compiles sources of the project`;
  for (const [path, text] of files) {
    const name = basename(path);
    if (/^(\.npmrc|pnpm-workspace\.yaml)$/.test(name) && /install-links|inject|\bfile:/i.test(text))
      return `${path} may have packages of the project copied`;
    if (name !== 'package.json') continue;
    const why = whyManifestIsUnrepeatable(text);
    if (why !== null) return `${path} ${why}`;
  }
  return null;
}

function whyManifestIsUnrepeatable(text: string): string | null {
  let manifest: Record<string, unknown>;
  try {
    manifest = Object(JSON.parse(text)) as Record<string, unknown>;
  } catch {
    return 'cannot be read';
  }
  if (text.includes('"injected"')) return 'has packages of the project copied';
  const scripts = Object(manifest.scripts) as Record<string, unknown>;
  for (const name of LIFECYCLE) {
    const script = scripts[name];
    if (typeof script !== 'string') continue;
    const parts = script.split(/&&|\|\||;/).map((part) => part.trim());
    if (!parts.every((part) => HARMLESS.test(part)))
      return `has a script '${name}', which may read any file of the commit`;
  }
  const local = DEPENDENCIES.flatMap((name) => textsIn(manifest[name])).find((spec) => LOCAL.test(spec));
  return local === undefined ? null : `has a dependency on files of the project, '${local}'`;
}

function textsIn(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(textsIn) : [];
}
