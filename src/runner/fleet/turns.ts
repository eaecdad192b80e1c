/** Gives out so many turns at a time. */
export interface Turns {
  /** Resolves, in the order of asking, with what ends the turn. */
  take(): Promise<() => void>;
}

export function startTurns(most: number): Turns {
  const waiting: (() => void)[] = [];
  let free = most;
  const give = (): void => {
    const next = waiting.shift();
    if (next === undefined) free += 1;
    else next();
  };
  return {
    async take() {
      if (free > 0) free -= 1;
      else await new Promise<void>((resolve) => waiting.push(resolve));
      let ended = false;
      return () => {
        if (!ended) give();
        ended = true;
      };
    },
  };
}
