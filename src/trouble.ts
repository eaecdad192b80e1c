import { InputsError } from './inputs/problem.ts';
import type { Trouble } from './report/report.ts';
import { ConnectError } from './runner/connect-error.ts';
import { SessionError } from './runner/session/session-error.ts';
import { UploadError } from './runner/upload/upload-error.ts';

/** What there is to report of an error, whatever was thrown. */
export function troubleOf(error: unknown): Trouble {
  if (error instanceof InputsError)
    return { message: error.message, remedy: null, output: [], goesOn: false };
  if (error instanceof UploadError)
    return { message: error.message, remedy: error.remedy, output: [], goesOn: false };
  if (error instanceof ConnectError || error instanceof SessionError)
    return { message: error.message, remedy: error.remedy, output: error.output, goesOn: !isOver(error) };
  // Anything else is a fault of this action, and whoever mends it needs to know where.
  return {
    message: `This should not happen: ${error instanceof Error ? error.message : String(error)}`,
    remedy: null,
    output: error instanceof Error ? (error.stack ?? '').split('\n') : [],
    goesOn: false,
  };
}

/** Whether nothing is left to be found out about the deploy: it did not begin, or the host is known to have ended it. */
export function isOver(error: unknown): boolean {
  if (error instanceof SessionError) return !error.goesOn;
  return error instanceof InputsError || error instanceof UploadError || error instanceof ConnectError;
}
