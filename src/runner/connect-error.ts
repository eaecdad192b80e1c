export type ConnectErrorKind =
  /** The name of the host could not be looked up. */
  | 'name'
  | 'refused'
  | 'unreachable'
  /** No end of the lookup, the TCP connection or the handshake in time. */
  | 'timeout'
  /** Closed before a word of SSH. */
  | 'closed'
  /** Something answers there that is no SSH server. */
  | 'not-ssh'
  /** The connection ended, or the hop's did, before the login began. */
  | 'lost'
  | 'algorithms'
  /** A hop lets nobody through. */
  | 'forwarding'
  | 'host-key'
  /** Ended, or not done in time, within the login. */
  | 'login'
  | 'authentication'
  | 'key'
  | 'passphrase'
  | 'channel';

/** Why there is no connection. Message and remedy are for the user; neither holds a secret. */
export class ConnectError extends Error {
  readonly kind: ConnectErrorKind;
  readonly remedy: string | null;
  /** Lines that the host sent and that may tell more. They are hostile until rendered. */
  readonly output: readonly string[];

  constructor(
    kind: ConnectErrorKind,
    message: string,
    remedy: string | null,
    cause?: unknown,
    output: readonly string[] = [],
  ) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'ConnectError';
    this.kind = kind;
    this.remedy = remedy;
    this.output = output;
  }
}
