export type Print = (text: string, done?: () => void) => void;

/** Starts each line on a new line, because a background job of the login shell may have printed half a line. */
export function printer(nonce: string): Print {
  // If nobody reads any more, the session is over.
  process.stdout.on('error', leave);
  return (text, done) => {
    process.stdout.write(`\n${nonce} ${text}\n`, done);
  };
}

/** Ends the session. What the host program does goes on. */
export function leave(): void {
  process.exit(0);
}
