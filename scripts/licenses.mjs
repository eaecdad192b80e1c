// The licenses of what a bundle is made of. ncc gathers the texts that packages hold; ours fill in what they lack.
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

/** Texts of ours, by the package to whose section they are added. */
export function ownTexts() {
  const directory = path.join(import.meta.dirname, 'licenses');
  const entries = readdirSync(directory).map((name) => [
    path.basename(name, '.txt'),
    readFileSync(path.join(directory, name), 'utf8'),
  ]);
  return Object.fromEntries(entries);
}

/** The packages that a bundle was made of, by the files of its modules, sorted. */
export function packagesOf(files) {
  const names = files.map((file) => /.*[\\/]node_modules[\\/]((?:@[^\\/]+[\\/])?[^\\/]+)/.exec(file)?.[1]);
  return [...new Set(names)].filter((name) => name !== undefined).sort();
}

/** ncc's text with ours in it. Throws if a package is missing in it, or has no text. */
export function completed(gathered, packages, own) {
  let text = gathered;
  for (const [name, addition] of Object.entries(own)) {
    text = text.replace(heading(name), (found) => `${found}${addition}\n`);
  }
  const without = packages.filter((name) => !hasText(text, name));
  if (without.length === 0) return text;
  throw new Error(
    `No text of a license for ${without.join(', ')}. Write it into scripts/licenses/<package>.txt.`,
  );
}

/** Whether the license of the package is there with its words, not with its name alone. */
export function hasText(licenses, name) {
  return new RegExp(`${heading(name).source}[^\\n]`).test(licenses);
}

/** ncc begins a section with the name of the package and that of its license, each on a line. */
function heading(name) {
  return new RegExp(`(?<![^\\n])${name.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}\\n[^\\n]+\\n`);
}
