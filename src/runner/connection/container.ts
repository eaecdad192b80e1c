export const ENGINES = ['docker', 'podman'] as const;

export type Engine = (typeof ENGINES)[number];

/** A container of a host, by a name that needs no quoting in a shell and is no option. */
export interface Container {
  name: string;
  /** Null if it is to be found. */
  engine: Engine | null;
}
