import { ConnectError } from '../connect-error.ts';

const COPY_AGAIN = 'Copy the whole file again, from its BEGIN line to its END line.';
const MAKE_ONE =
  'Make one in the usual format: ssh-keygen -t ed25519 -f key; then add key.pub to authorized_keys on the host.';

/** `what` is what was given, as the end of a sentence. */
export function notAPrivateKey(what: string): ConnectError {
  return new ConnectError(
    'key',
    `The key is not a private key, but ${what}.`,
    "Set key to the content of the private key's file, such as that of ~/.ssh/id_ed25519, from its BEGIN line to its END line.",
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
    'The key is damaged: it has the frame of a private key, but what is between is not one.',
    COPY_AGAIN,
  );
}

export function severalKeys(count: number): ConnectError {
  return new ConnectError(
    'key',
    `The key holds ${count} private keys.`,
    'Give the one that logs in; an ssh-agent holds several.',
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
    'Convert it: puttygen key.ppk -O private-openssh -o key; or in PuTTYgen by Conversions, Export OpenSSH key. Then use what is in the new file.',
  );
}

export function passphraseMissing(): ConnectError {
  return new ConnectError(
    'passphrase',
    'The key is encrypted, and passphrase is not set.',
    'Set passphrase to what unlocks the key.',
  );
}

export function passphraseWrong(): ConnectError {
  return new ConnectError(
    'passphrase',
    'The passphrase does not unlock the key.',
    'Set passphrase to what unlocks this key.',
  );
}

/** Some formats tell by nothing but nonsense behind the lock that the passphrase is wrong. */
export function passphraseWrongOrDamaged(): ConnectError {
  return new ConnectError(
    'passphrase',
    'The passphrase does not unlock the key, or the key is damaged.',
    'Check passphrase. If it is right, lock the key anew in the usual way: ssh-keygen -p -f key; then use what is in that file.',
  );
}

/** `how` the key is locked, as the end of a sentence; `anew` is the option of ssh-keygen that locks it in another way. */
export function lockedOtherwise(how: string, anew: string): ConnectError {
  return new ConnectError(
    'key',
    `The key is locked with ${how}.`,
    `Lock it anew: ssh-keygen -p ${anew} -f key; then use what is in that file.`,
  );
}
