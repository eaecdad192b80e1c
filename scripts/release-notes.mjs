// Prints what CHANGELOG.md says of a release: `node scripts/release-notes.mjs v1.2.3`.
// Fails if package.json has another version than the tag, or if the changelog says nothing of it.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const ROOT = path.dirname(path.dirname(fileURLToPath(import.meta.url)));

/** The section of `tag` in the changelog, without its heading. */
export function releaseNotes(tag, version, changelog) {
  if (tag !== `v${version}`) {
    throw new Error(
      `The tag is ${tag}, and package.json says ${version}. Set the version there, then tag that commit.`,
    );
  }
  const sections = changelog.split(/^## /m).slice(1);
  const section = sections.find((text) => text.startsWith(`[${version}]`)) ?? '';
  const notes = section.split('\n').slice(1).join('\n').trim();
  if (notes === '') {
    throw new Error(`CHANGELOG.md says nothing of ${version}. Name its section "## [${version}] - <date>".`);
  }
  return notes;
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const read = (file) => readFileSync(path.join(ROOT, file), 'utf8');
  try {
    console.log(
      releaseNotes(process.argv[2], JSON.parse(read('package.json')).version, read('CHANGELOG.md')),
    );
  } catch (error) {
    console.error(error.message);
    process.exitCode = 1;
  }
}
