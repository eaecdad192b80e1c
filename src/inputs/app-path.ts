import { posix } from 'node:path';
import { BadValue, hasUnprintable } from './bad-value.ts';
import { splitList } from './split-list.ts';

/** Reads the app's directory on the host: absolute, `~/…`, or relative to the login's home. */
export function parsePath(text: string): string {
  const takes = "the app's directory on the server: absolute, ~/… or relative to the login's home";
  if (text === '')
    throw new BadValue(
      'a path is needed',
      takes,
      'Set the directory that PM2 runs the app from, such as ~/app.',
    );
  if (hasUnprintable(text)) throw new BadValue('it holds an invisible character', takes);
  if (/^~[^/]/.test(text)) {
    throw new BadValue(
      "it begins with another user's home",
      takes,
      'Write that directory as an absolute path.',
    );
  }
  const normal = posix.normalize(text);
  if (normal === '/') throw new BadValue('it is the root directory', takes);
  if (['.', './', '~', '~/'].includes(normal)) {
    throw new BadValue(
      'it is the home directory itself',
      takes,
      'Give the app a directory of its own, such as ~/app.',
    );
  }
  return text;
}

/** Reads `working-directory`; the empty text is the repository's own. */
export function parseWorkingDirectory(text: string): string {
  return parseRelativePath(text, "the app's directory inside `path`, relative and without ..");
}

/** Reads `ecosystem`; null if the file is to be found. */
export function parseEcosystem(text: string): string | null {
  return parseRelativePath(text, 'the ecosystem file, relative to the app and without ..') || null;
}

/** Reads `env-file-path`. */
export function parseEnvFilePath(text: string): string {
  const takes = 'the path of a file, relative to `working-directory`';
  const path = parseRelativePath(text, takes);
  if (path === '' || text.endsWith('/')) throw new BadValue('it names a directory', takes);
  if (path.split('/').includes('.git')) throw new BadValue('it lies in `.git`', takes);
  return path;
}

/** Reads `keep-assets`; null if it is not given, and empty if it is `none`. */
export function parseKeepAssets(text: string): string[] | null {
  if (text === '') return null;
  return text.toLowerCase() === 'none' ? [] : splitList(text).map(parseAssetGlob);
}

function parseAssetGlob(text: string): string {
  const takes =
    'directories or globs in `working-directory`, such as `dist/assets` or `public/*/build`, or `none`';
  const path = parseRelativePath(text, takes);
  const names = path.split('/');
  // Of all files of the app, most are asked for by a name that another version has as well.
  if (/^[*?]*$/.test(names[0] ?? '')) throw new BadValue('it names the whole app', takes);
  if (names.some((name) => name === '.git' || name === 'node_modules'))
    throw new BadValue('it lies in `.git` or `node_modules`', takes);
  if (/[{}]/.test(path)) throw new BadValue('it has braces', takes, 'Write each path on a line of its own.');
  return path;
}

/** Reads `shared`, beside this `layout`. */
export function parseShared(text: string, layout: string): string[] {
  const takes = 'files and directories in `working-directory`, such as `uploads`, with layout releases';
  if (text !== '' && layout.toLowerCase() !== 'releases')
    throw new BadValue(
      '`layout` is not releases, and everything is shared then',
      takes,
      'Set `layout` to releases, or leave it out.',
    );
  return [...new Set(splitList(text).map((path) => parseSharedPath(path, takes)))];
}

function parseSharedPath(text: string, takes: string): string {
  const path = parseRelativePath(text, takes);
  if (path === '') throw new BadValue('it names the whole app', takes);
  if (path.split('/').some((name) => name === '.git' || name === 'node_modules'))
    throw new BadValue('it lies in `.git` or `node_modules`', takes);
  return path;
}

/** Reads a place inside the app's directory, in its shortest form; the directory itself is the empty text. */
export function parseRelativePath(text: string, takes: string): string {
  if (hasUnprintable(text)) throw new BadValue('it holds an invisible character', takes);
  if (text.startsWith('/') || text.startsWith('~')) throw new BadValue('it is not relative', takes);
  if (text.split('/').includes('..')) throw new BadValue('it holds ".."', takes);
  const normal = posix.normalize(text).replace(/\/$/, '');
  return normal === '.' ? '' : normal;
}
