import type { LoadCase } from './cases.ts';
import type { Row } from './lane.ts';

/** What is kept of a row. */
export type Figure = Omit<Row, 'log'>;

/** What a row is of: of two with the same key the later one counts. */
export function keyOf({ title, instances, pm2 }: Figure): string {
  return [title, instances, pm2].join(' ');
}

/** The table of docs/reload.md: a line for each case on each number of instances, a column for each PM2. */
export function tableOf(cases: readonly LoadCase[], rows: readonly Figure[]): string {
  const versions = [...new Set(rows.map(({ pm2 }) => pm2))].sort();
  const counts = [...new Set(rows.map(({ instances }) => instances))].sort((a, b) => b - a);
  const notes = cases.filter(({ mayFail }) => mayFail !== undefined);
  const head = ['New version', 'Instances', 'Outcome', ...versions.map((version) => `PM2 ${version}`)];
  const lines = counts.flatMap((instances) =>
    cases.map((one) => {
      const of = (pm2: string) =>
        rows.find((row) => row.title === one.title && row.instances === instances && row.pm2 === pm2);
      const note = one.mayFail === undefined ? '' : ` [${notes.indexOf(one) + 1}]`;
      const cells = versions.map((pm2) => cell(one, of(pm2)));
      return [one.title + note, String(instances), `\`${one.outcome}\``, ...cells];
    }),
  );
  const table = [head, head.map(() => '---'), ...lines].map((cells) => `| ${cells.join(' | ')} |`);
  const why = notes.map(
    ({ mayFail = '' }, at) => `${at + 1}. ${mayFail.charAt(0).toUpperCase()}${mayFail.slice(1)}`,
  );
  return [...table, '', ...why].join('\n').trimEnd();
}

function cell({ outcome }: LoadCase, row: Figure | undefined): string {
  if (row === undefined) return 'not measured';
  const other = row.outcome === outcome ? '' : `\`${row.outcome}\`, `;
  const numbers = [row.failed, row.sent].map((number) => number.toLocaleString('en'));
  return `${other}${numbers[0]} of ${numbers[1]}, ${row.seconds.toFixed(1)} s`;
}
