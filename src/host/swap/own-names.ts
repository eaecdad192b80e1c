/** Where apps keep what they write, even inside their own build output. */
const APPS_OWN = /^(uploads?|storage|media|data|db|backups?|logs?|sessions|databases?|\.env.*)$/i;

/** Whether a file or directory is named like one that an app writes to. */
export function isNamedLikeOwn(name: string): boolean {
  return APPS_OWN.test(name);
}
