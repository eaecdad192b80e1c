import { ConnectError } from '../connect-error.ts';

const COPY_AGAIN = 'Copy the whole file again, from its BEGIN line to its END line.';
const MAKE_ONE =
  'Make a new key: ssh-keygen -t ed25519 -f key. Then add key.pub to authorized_keys on the host.';

/** `what` is what was given, as the end of a sentence. */
export function notAPrivateKey(what: string): ConnectError {
  return new ConnectError(
    'key',
    `This is not a private key, but ${what}.`,
    'Set key to the content of the private key file, such as ~/.ssh/id_ed25519, from its BEGIN line to its END line.',
  );
}

export function emptyKey(): ConnectError {
  return new ConnectError(
    'key',
    'The key is empty.',
    'Check that the secret exists under that name, and that this workflow may read it.',
  );
}

export function cutOff(what: string): ConnectError {
  return new ConnectError('key', `The key was cut off: ${what}.`, COPY_AGAIN);
}

export function damaged(): ConnectError {
  return new ConnectError(
    'key',
    'The key is damaged: between its BEGIN and END lines there is no private key.',
    COPY_AGAIN,
  );
}

export function severalKeys(count: number): ConnectError {
  return new ConnectError(
    'key',
    `The key holds ${count} private keys.`,
    'Set the one that logs in. An ssh-agent can hold several.',
  );
}

/** `kind` with its article, such as `a DSA key`. */
export function unusable(kind: string, why: string): ConnectError {
  return new ConnectError('key', `The key is ${kind}, ${why}.`, MAKE_ONE);
}

export function puttyKey(): ConnectError {
  return new ConnectError(
    'key',
    'The key is a PuTTY file (.ppk).',
    'Convert it: puttygen key.ppk -O private-openssh -o key. Or in PuTTYgen: Conversions, Export OpenSSH key. Then use the content of the new file.',
  );
}

export function passphraseMissing(): ConnectError {
  return new ConnectError(
    'passphrase',
    'The key is encrypted, and passphrase is not set.',
    'Set passphrase to the passphrase of the key.',
  );
}

export function passphraseWrong(): ConnectError {
  return new ConnectError(
    'passphrase',
    'The passphrase does not unlock the key.',
    'Set passphrase to the passphrase of this key.',
  );
}

/** Some formats tell by nothing but nonsense behind the lock that the passphrase is wrong. */
export function passphraseWrongOrDamaged(): ConnectError {
  return new ConnectError(
    'passphrase',
    'The passphrase does not unlock the key, or the key is damaged.',
    'Check passphrase. If it is right, encrypt the key again: ssh-keygen -p -f key. Then use the content of that file.',
  );
}

/** `how` the key is locked, as the end of a sentence; `anew` is the option of ssh-keygen that locks it in another way. */
export function lockedOtherwise(how: string, anew: string): ConnectError {
  return new ConnectError(
    'key',
    `The key is encrypted with ${how}.`,
    `Encrypt it again: ssh-keygen -p ${anew} -f key. Then use the content of that file.`,
  );
}
