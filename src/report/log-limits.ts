/** What a host may fill the log with, by the words for several of a kind. */
export type LogKind = 'states' | 'notices' | 'warnings' | 'lines of output';

/** Of a real deploy each has a tenth of this, or less. Output is bounded by its characters. */
const MOST: Readonly<Record<LogKind, number>> = {
  states: 200,
  notices: 1_000,
  warnings: 100,
  'lines of output': 4_000_000,
};

export interface LogLimits {
  /** Whether the log takes one more, of so many units. Once it does not, it takes none of that kind any more. */
  takes(kind: LogKind, units?: number): boolean;
  /** Whether something of the kind was left out so far. */
  isFull(kind: LogKind): boolean;
  /** What was left out, such as `3 warnings, 1200 lines of output`; null if nothing was. */
  leftOut(): string | null;
}

/** Counts what one host says, so that it cannot fill the log or this process's memory. */
export function startLimits(): LogLimits {
  const used: Partial<Record<LogKind, number>> = {};
  const left: Partial<Record<LogKind, number>> = {};
  return {
    takes(kind, units = 1) {
      used[kind] = (used[kind] ?? 0) + units;
      if (left[kind] === undefined && used[kind] <= MOST[kind]) return true;
      left[kind] = (left[kind] ?? 0) + 1;
      return false;
    },
    isFull: (kind) => left[kind] !== undefined,
    leftOut() {
      const kinds = Object.entries(left).map(([kind, count]) => `${count} ${kind}`);
      return kinds.length === 0 ? null : kinds.join(', ');
    },
  };
}
