import type { Word } from '../../protocol.ts';

/** What is decided about one host. It is said in whichever session follows the host, and again in each later one. */
export interface HostWords {
  say(word: Word): void;
  /** Calls back with each word so far, then with each further one. The function that is returned ends it. */
  hear(listener: (word: Word) => void): () => void;
}

export function startWords(): HostWords {
  const said: Word[] = [];
  const listeners = new Set<(word: Word) => void>();
  return {
    say(word) {
      said.push(word);
      for (const listener of listeners) listener(word);
    },
    hear(listener) {
      for (const word of said) listener(word);
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}
