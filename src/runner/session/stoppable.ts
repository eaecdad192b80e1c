/** Does the work, unless `watch` stops it before its end; the signal tells the work, which then goes nowhere. */
export function unless<T>(
  work: (stopped: AbortSignal) => Promise<T>,
  watch: (stop: (error: Error) => void) => () => void,
): Promise<T> {
  const stopped = new AbortController();
  let unwatch = (): void => {};
  return new Promise<T>((resolve, reject) => {
    unwatch = watch((error) => {
      reject(error);
      stopped.abort();
    });
    work(stopped.signal).then(resolve, reject);
  }).finally(() => unwatch());
}

/** Calls back once the signal is aborted, at once where it is; the function that is returned ends what this began. */
export function whenAborted(signal: AbortSignal, start: () => NodeJS.Timeout | undefined): () => void {
  let timer: NodeJS.Timeout | undefined;
  const onAbort = (): void => {
    timer = start();
  };
  if (signal.aborted) onAbort();
  else signal.addEventListener('abort', onAbort, { once: true });
  return () => {
    clearTimeout(timer);
    signal.removeEventListener('abort', onAbort);
  };
}
