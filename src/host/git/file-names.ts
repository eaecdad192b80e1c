import { DeployFailure } from '../system/failure.ts';
import type { Git } from './git.ts';

const SHOWN = 20;

/**
 * Refuses a commit that has file names which are not UTF-8. Git takes any bytes for a name. Records, journal and the
 * list of what is swapped are text, where two such names could become one.
 */
export async function refuseNamesThatAreNoText(git: Git, sha: string): Promise<void> {
  // Quoted by git: each byte beyond ASCII is an octal number, so that none is lost on the way.
  const listing = await git.text(
    ['-c', 'core.quotePath=true', 'ls-tree', '-r', '--full-tree', '--name-only', sha],
    `Reading the files of ${sha}`,
  );
  const names = listing.split('\n').filter((line) => line.startsWith('"') && !isText(line));
  const [first] = names;
  if (first === undefined) return;
  const more = names.length === 1 ? '' : ` ${names.length - 1} more names are not.`;
  throw new DeployFailure(`The file name ${first} in the commit is not valid UTF-8.${more}`, {
    output: names.slice(0, SHOWN),
    remedy: `Rename the file in the repository, commit and push. This command renames all of one directory from Latin-1: 'convmv -f latin1 -t utf8 --notest *'.`,
  });
}

function isText(quoted: string): boolean {
  const bytes = quoted.replace(/\\([0-7]{3})/g, (_, octal: string) =>
    String.fromCharCode(Number.parseInt(octal, 8)),
  );
  const name = Buffer.from(bytes, 'latin1');
  return Buffer.from(name.toString('utf8')).equals(name);
}
