import { type Form, FRAMEWORKS, type Framework } from './apps.ts';
import type { Row } from './lane.ts';

const CANNOT_SHARE =
  'A Node before 22.12 cannot share a port, so PM2 stops the app and starts it. Use a newer Node, or cluster mode.';
const CANNOT_DRAIN = 'Node 16 has no way to load what drains an instance.';

const NOT_WAITED_FOR =
  'WebSockets are not waited for: a message that is under way as one ends gets no answer.';
const SESSION_ENDS =
  "Streams that Node's client had just opened as the server ended the session. Some were refused twice in a row.";
const REASONS = [CANNOT_DRAIN, CANNOT_SHARE, NOT_WAITED_FOR, SESSION_ENDS];

/** Why visits may be lost in this row; null if none may. */
export function whyLost({ framework, mode, node }: Pick<Row, 'framework' | 'mode' | 'node'>): string | null {
  if (mode === 'fork' && node < 22) return CANNOT_SHARE;
  if (mode === 'cluster' && node < 18) return CANNOT_DRAIN;
  const speaks = FRAMEWORKS.find(({ name }) => name === framework)?.speaks;
  return speaks === 'ws' ? NOT_WAITED_FOR : speaks === 'http2' ? SESSION_ENDS : null;
}

/** What a row is of: of two with the same key the later one counts. */
export function keyOf({ framework, mode, shutdown, node, pm2 }: Row): string {
  return [framework, mode, shutdown, node, pm2].join(' ');
}

/** Rows in which visits were lost that need not be. */
export function notAsPromised(rows: readonly Row[]): Row[] {
  return rows.filter((row) => row.failed > 0 && whyLost(row) === null);
}

/** The table of docs/frameworks.md: a line for each form of each framework, a column for each Node, over all PM2. */
export function tableOf(frameworks: readonly Framework[], rows: readonly Row[]): string {
  const nodes = [...new Set(rows.map(({ node }) => node))].sort((a, b) => a - b);
  const head = ['Server', 'Mode', 'Own shutdown code', ...nodes.map((node) => `Node ${node}`)];
  const lines = frameworks.flatMap(({ name, forms }) =>
    forms.map((form) => {
      const cells = nodes.map((node) => {
        const cell = rows.filter((row) => row.framework === name && row.node === node && isOf(row, form));
        const why = whyLost({ framework: name, ...form, node });
        const failed = sum(cell, 'failed');
        const note = failed > 0 && why !== null ? ` [${REASONS.indexOf(why) + 1}]` : '';
        return cell.length === 0 ? '' : `${failed} of ${sum(cell, 'sent').toLocaleString('en')}${note}`;
      });
      return [name, form.mode, form.shutdown ? 'yes' : 'no', ...cells];
    }),
  );
  const table = [head, head.map(() => '---'), ...lines].map((cells) => `| ${cells.join(' | ')} |`);
  return [measured(rows), '', ...table, '', ...REASONS.map((text, at) => `${at + 1}. ${text}`)].join('\n');
}

/** A run may have been of some only. */
function measured(rows: readonly Row[]): string {
  const versions = [...new Set(rows.map(({ pm2 }) => pm2))].sort((a, b) => a - b);
  const each = versions.map((pm2) => {
    const nodes = new Set(rows.filter((row) => row.pm2 === pm2).map(({ node }) => node));
    return `PM2 ${pm2} on Node ${[...nodes].sort((a, b) => a - b).join(', ')}`;
  });
  return `Measured: ${each.join('; ')}.`;
}

function isOf(row: Row, { mode, shutdown }: Form): boolean {
  return row.mode === mode && row.shutdown === shutdown;
}

function sum(rows: readonly Row[], what: 'sent' | 'failed'): number {
  return rows.reduce((all, row) => all + row[what], 0);
}
