/** A deploy that cannot go on, for a reason that the user is to read. Anything else that is thrown is a bug of ours. */
export class DeployFailure extends Error {
  readonly remedy: string | null;
  readonly output: readonly string[];
  /** The last lines of the app's own error log, where the failure is the app's. */
  readonly appLog: readonly string[];

  constructor(
    message: string,
    details: {
      remedy?: string | null;
      output?: readonly string[];
      appLog?: readonly string[];
      cause?: unknown;
    } = {},
  ) {
    super(message);
    this.name = 'DeployFailure';
    this.remedy = details.remedy ?? null;
    this.output = details.output ?? [];
    this.appLog = details.appLog ?? [];
  }
}
