/** Where apps keep what they write, even inside their own build output. */
const APPS_OWN = /^(uploads?|storage|media|data|db|backups?|logs?|sessions|databases?|\.env.*)$/i;

/** Whether a file or directory is named like one that an app writes to. */
export function isNamedLikeOwn(name: string): boolean {
  return APPS_OWN.test(name);
}

/** Where Next.js writes the pages that it renders while it runs, beside those of the build. */
const RENDERED_PAGES = /(^|\/)\.next\/server$/;

/**
 * Whether all that the app writes in a directory of its build goes with the version that wrote it. A page of another version
 * asks for files that are gone, and the framework's own build empties such a directory as well.
 */
export function isOfOneVersion(directory: string): boolean {
  return RENDERED_PAGES.test(directory);
}
