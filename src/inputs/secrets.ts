import type { InputName } from './names.ts';

/** Inputs whose value no log or error ever shows. */
export const SECRET_INPUTS: readonly InputName[] = [
  'key',
  'passphrase',
  'password',
  'proxy-key',
  'proxy-passphrase',
  'git-token',
  'github-token',
  'env-file',
];

/**
 * Masking a shorter text would blot out ordinary words of the log, and GitHub drops every job output that contains
 * a masked text. Lines of a key are longer, but for its last.
 */
const SHORTEST_SECRET = 4;
const SHORTEST_LINE = 8;

/**
 * Tells `mask` each secret. Of one with several lines it is the lines, since a log is masked line by line, and without
 * those that every key has.
 */
export function maskSecrets(env: NodeJS.ProcessEnv, mask: (secret: string) => void): void {
  const masked = new Set<string>();
  for (const name of SECRET_INPUTS) {
    const given = env[`INPUT_${name.toUpperCase()}`] ?? '';
    const lines = given.trim().split(/\r\n|\r|\n/);
    if (lines.length === 1 && given.trim().length >= SHORTEST_SECRET) masked.add(given.trim());
    // A key on one line may have its line ends written as `\n`; a part of it is as secret as a line.
    for (const part of lines.flatMap((line) => line.split('\\n'))) {
      const line = part.trim();
      const useful = line.length >= SHORTEST_LINE && !line.startsWith('-----');
      if (useful) masked.add(line);
    }
  }
  for (const secret of masked) mask(secret);
}
