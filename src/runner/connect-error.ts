export type ConnectErrorKind =
  | 'name'
  | 'refused'
  | 'unreachable'
  | 'timeout'
  | 'lost'
  | 'algorithms'
  | 'host-key'
  | 'authentication'
  | 'key'
  | 'passphrase'
  | 'channel';

/** Why there is no connection. Message and remedy are for the user; neither holds a secret. */
export class ConnectError extends Error {
  readonly kind: ConnectErrorKind;
  readonly remedy: string | null;

  constructor(kind: ConnectErrorKind, message: string, remedy: string | null, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'ConnectError';
    this.kind = kind;
    this.remedy = remedy;
  }
}
