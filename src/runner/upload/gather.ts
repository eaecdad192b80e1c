import { realpathSync, statSync } from 'node:fs';
import path from 'node:path';
import { type Bundle, bundleOf } from './bundle.ts';
import { excludeOf } from './exclude.ts';
import { isWithin, readTree } from './read-tree.ts';
import { UploadError } from './upload-error.ts';

/** What the inputs say of an upload. */
export interface UploadWishes {
  /** A directory of the workspace. */
  path: string;
  exclude: readonly string[];
  /** Whether `node_modules` is sent, since the server does not install. */
  sendsModules: boolean;
  /** The full id of the commit that the workflow has built. */
  builtFrom: string;
}

/** Reads all that is to be sent, and says what is. Throws an `UploadError`. */
export async function gather(
  wishes: UploadWishes,
  workspace: string,
  log: { say(text: string): void; warn(text: string): void },
): Promise<Bundle> {
  const top = topOf(wishes.path, workspace);
  const exclude = excludeOf(wishes.exclude);
  const { entries, empty, modules } = await readTree(top, { exclude, sendsModules: wishes.sendsModules });
  const bundle = await bundleOf(entries, wishes.builtFrom);
  log.say(
    `upload-path holds ${counted(bundle.files, 'file')}, ${megabytes(bundle.size)}. With the commit ${wishes.builtFrom} they are the upload ${bundle.commit}.`,
  );
  if (modules.length > 0)
    log.say(
      `Not sent: ${some(modules)}. The server installs the packages. Set install-command to none to send them.`,
    );
  if (empty.length > 0) log.say(`Not sent, because they are empty: ${some(empty)}.`);
  const unused = exclude.unused();
  if (unused.length > 0)
    log.warn(`upload-exclude: nothing in upload-path matches ${unused.join(', ')}. Look for a typing error.`);
  return bundle;
}

/** The directory that is sent, as an absolute path. */
function topOf(given: string, workspace: string): string {
  const top = path.resolve(workspace, given);
  const stat = statSync(top, { throwIfNoEntry: false });
  if (stat === undefined)
    throw new UploadError(
      `upload-path '${given}' is not there. It was looked for in ${workspace}.`,
      /[*?[\]{}]/.test(given)
        ? 'upload-path takes one directory, and no pattern. Set it to the directory that the build writes to.'
        : 'Build before this step, in the same job, and set upload-path to the directory that the build writes to.',
    );
  if (!stat.isDirectory())
    throw new UploadError(
      `upload-path '${given}' is a file. It takes a directory, whose content becomes the content of path.`,
      'Set upload-path to the directory that the file is in.',
    );
  if (isWithin(realpathSync(workspace), realpathSync(top))) return top;
  throw new UploadError(
    `upload-path '${given}' leads out of the workspace ${workspace}, to ${realpathSync(top)}.`,
    'Set upload-path to a directory of the workspace.',
  );
}

function some(paths: readonly string[]): string {
  const more = paths.length > 3 ? ` and ${paths.length - 3} more` : '';
  return `${paths.slice(0, 3).join(', ')}${more}`;
}

export function counted(count: number, what: string): string {
  return `${count.toLocaleString('en')} ${what}${count === 1 ? '' : 's'}`;
}

/** Bytes, for people. */
export function megabytes(bytes: number): string {
  return bytes < 1e6 ? `${Math.ceil(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}
