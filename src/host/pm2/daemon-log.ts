/** PM2's own lines in its log. */
const OWN = /^(?:[^ ]+ )?PM2 +(?:log|error)?: |^\[PM2\]|^\d{4}-\d\d-\d\dT[\d:.]+: PM2/;
const EXITED = /App \[(.*):([^\]:]+)\] exited with code/;

/**
 * What processes of these apps wrote into the log of PM2's daemon, by name: the last words of a cluster worker that ends
 * before PM2 has hold of its output (an `--import` that is not found), and of what npm starts in cluster mode.
 * PM2 writes its own line as a process exits: what stands above that line is taken for the words of this process.
 */
export function wordsInDaemonLog(lines: readonly string[], names: readonly string[]): Map<string, string[]> {
  const found = new Map<string, string[]>();
  let unclaimed: string[] = [];
  for (const line of lines) {
    const [, name = '', pmId = ''] = EXITED.exec(line) ?? [];
    if (!OWN.test(line)) unclaimed.push(line);
    else if (name !== '') {
      // A process that was replaced has nothing to say of the version that replaced it.
      if (unclaimed.length > 0 && names.includes(name) && !pmId.startsWith('_old_'))
        found.set(name, unclaimed);
      unclaimed = [];
    }
  }
  return found;
}
