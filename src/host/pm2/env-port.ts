import type { Json } from './list.ts';

/** The PORT of an environment, or null where it has none that is a TCP port. */
export function portIn(env: Readonly<Record<string, Json>>): number | null {
  const port = Number(env.PORT);
  return Number.isInteger(port) && port > 0 && port < 65_536 ? port : null;
}
