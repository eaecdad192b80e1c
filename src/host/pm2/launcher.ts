import { basename } from 'node:path';

/** npm and its like, by the name that people write and by the file that PM2 finds for it. */
const PACKAGE_MANAGER = /^(npm|npx|yarn|yarnpkg|pnpm|pnpx)(-cli)?(\.c?js)?$/;
/** Packages whose command starts the app as another process. */
const WRAPPER = /^(tsx|nodemon|cross-env|dotenv-cli|dotenv|env-cmd|concurrently)$/;

/**
 * The launcher's name, if the script only starts the real app as another process; else null. Takes a bare word, such as
 * `npm`, and the file that PM2 finds for it.
 */
export function launcherIn(script: string): string | null {
  const [, manager] = PACKAGE_MANAGER.exec(basename(script)) ?? [];
  if (manager !== undefined) return manager;
  // `node_modules/.bin/tsx`, and `node_modules/tsx/dist/cli.mjs`.
  const [program = ''] =
    script
      .split(/node_modules\/(?:\.bin\/)?/)
      .at(-1)
      ?.split('/') ?? [];
  const name = script.includes('node_modules/') ? program : basename(script);
  return WRAPPER.test(name) ? name : null;
}
