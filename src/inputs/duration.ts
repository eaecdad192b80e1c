import { BadValue } from './bad-value.ts';

const UNITS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 } as const;
type Unit = keyof typeof UNITS;

/** Reads `500ms`, `30s`, `10m` or `1h` as milliseconds. The limits are durations of the same form; both are taken. */
export function parseDuration(text: string, limits: { least: string; most: string }): number {
  const takes = `a duration from ${limits.least} to ${limits.most}, such as 500ms, 30s, 10m or 1h`;
  const milliseconds = toMilliseconds(text);
  if (milliseconds === null) {
    const unitMissing = /^\d+$/.test(text);
    throw new BadValue(
      unitMissing ? 'it has no unit' : 'it is not a duration',
      takes,
      unitMissing
        ? `Write ${text}s if seconds are meant.`
        : 'Write a whole number and its unit, without a space.',
    );
  }
  if (milliseconds < (toMilliseconds(limits.least) ?? 0)) throw new BadValue('it is too short', takes);
  if (milliseconds > (toMilliseconds(limits.most) ?? 0)) throw new BadValue('it is too long', takes);
  return milliseconds;
}

function toMilliseconds(text: string): number | null {
  const [, digits, unit] = /^(\d{1,12})(ms|s|m|h)$/.exec(text) ?? [];
  return digits === undefined ? null : Number(digits) * UNITS[unit as Unit];
}
