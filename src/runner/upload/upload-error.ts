/** Why the files of this job cannot be sent. Nothing was done on any host. */
export class UploadError extends Error {
  readonly remedy: string | null;

  constructor(message: string, remedy: string | null = null) {
    super(message);
    this.name = 'UploadError';
    this.remedy = remedy;
  }
}

/** The same for one file; `path` is as the tree has it. */
export function changedWhileRead(path: string): UploadError {
  return new UploadError(
    `${path} changed while it was read. Nothing was changed on any server.`,
    'Let every step that writes below upload-path end first, and run the job again. Leave out files that keep changing with upload-exclude.',
  );
}
