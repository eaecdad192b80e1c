/** Why a deploy cannot be followed, or could not begin. */
export class SessionError extends Error {
  readonly remedy: string | null;
  /** Lines that the host sent and that tell more. They are hostile until rendered. */
  readonly output: readonly string[];
  /** Whether the host may still be at work on this deploy. */
  readonly goesOn: boolean;

  constructor(
    message: string,
    remedy: string | null,
    output: readonly string[] = [],
    goesOn: boolean = false,
  ) {
    super(message);
    this.name = 'SessionError';
    this.remedy = remedy;
    this.output = output;
    this.goesOn = goesOn;
  }
}
