/** The objects of an upload, as the runner names them. */
export interface Listed {
  id: string;
  /** Bytes, before compression. */
  size: number;
}

const LINE = /^([0-9a-f]{40}) (\d{1,15})$/;

/** Reads the runner's list. Throws if it is none. */
export function parseList(text: string): Listed[] {
  const lines = text.split('\n');
  if (lines.pop() !== '') throw new Error('The list of an upload does not end with a line end.');
  return lines.map((line) => {
    const [, id, size] = LINE.exec(line) ?? [];
    if (id === undefined) throw new Error(`This is no line of an upload's list: ${line.slice(0, 80)}`);
    return { id, size: Number(size) };
  });
}

/** One bit for each object, set where it is not among those that are here. */
export function lackingBits(listed: readonly Listed[], here: ReadonlySet<string>): Buffer {
  const bits = Buffer.alloc(Math.ceil(listed.length / 8));
  listed.forEach(({ id }, index) => {
    if (!here.has(id)) bits[index >> 3] = (bits[index >> 3] ?? 0) | (1 << (index & 7));
  });
  return bits;
}
