import type { ConnectError } from '../connect-error.ts';
import { cutOff, damaged, emptyKey, notAPrivateKey, severalKeys } from './key-errors.ts';

/** A private key as its own program would have written it. */
export interface KeyText {
  format: 'openssh' | 'pem' | 'putty';
  text: string;
  /** Whether a PEM key says that it is encrypted; the others say so inside. */
  encrypted: boolean;
}

/** The longest key there is, of RSA with 16,384 bits, has a third of it. */
const LONGEST = 65_536;
const FRAME = /-----BEGIN ([A-Z0-9 ]{0,60})-----([\s\S]*?)-----END \1-----/g;
/** What an encrypted key in the old PEM format begins with. Without line ends, only its length ends the hexadecimal number. */
const LOCK =
  /^\s*Proc-Type:\s*4,\s*ENCRYPTED\s*DEK-Info:\s*(AES-\d{3}-CBC,[0-9A-F]{32}|[A-Z0-9-]+,[0-9A-F]{16})/i;

/**
 * Finds the private key in what was pasted: with CRLF, indented, quoted, in base64, with other text around it, or with its
 * line ends written as `\n`, made into blanks or lost.
 * Throws a `ConnectError` of kind `key` that says what was given instead, and never shows it.
 */
export function readKeyText(given: string): KeyText {
  if (given.length > LONGEST) throw notAPrivateKey('something that is too long for a key');
  const text = unwrapped(given);
  if (text === '') throw emptyKey();
  if (/^PuTTY-User-Key-File-\d/.test(text)) {
    const lines = text.split(/\r\n|\n|\r/).map((line) => line.trim());
    return { format: 'putty', text: `${lines.join('\n')}\n`, encrypted: false };
  }
  const keys = [...text.matchAll(FRAME)].filter(([, label]) => /(^| )PRIVATE KEY$/.test(label ?? ''));
  const [key] = keys;
  if (key === undefined) throw whatElse(text);
  if (keys.length > 1) throw severalKeys(keys.length);
  return framed(key[1] ?? '', key[2] ?? '');
}

/** Takes off what secrets are wrapped in: base64, quotes, and backslashes, of which a key has none itself. */
function unwrapped(given: string): string {
  let text = stripped(given);
  if (/^[A-Za-z0-9+/\s]+=*$/.test(text)) {
    const decoded = stripped(Buffer.from(text, 'base64').toString('utf8'));
    if (/-----BEGIN |^PuTTY-User-Key/.test(decoded)) text = decoded;
  }
  // The comment of a PuTTY file may have backslashes of its own.
  const isWritten = text.startsWith('PuTTY') && /[\r\n]/.test(text);
  return isWritten ? text : text.replace(/(?<!\\)\\+([rnt/])/g, (_, letter) => (letter === '/' ? '/' : '\n'));
}

/** Without quotes, and without characters that cannot be seen. */
function stripped(text: string): string {
  return text
    .replace(/[\u200B-\u200D\u2060\uFEFF]/g, '')
    .trim()
    .replace(/^(["'`])([\s\S]*)\1$/, '$2')
    .trim();
}

/** Writes the frame anew: whatever was made of the line ends, they carry no meaning. */
function framed(label: string, content: string): KeyText {
  const lock = LOCK.exec(content);
  const base64 = content.slice(lock?.[0].length ?? 0).replace(/\s/g, '');
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(base64)) throw damaged();
  const lines = [
    `-----BEGIN ${label}-----`,
    ...(lock === null ? [] : ['Proc-Type: 4,ENCRYPTED', `DEK-Info: ${lock[1]}`, '']),
    ...(base64.match(/.{1,64}/g) ?? []),
    `-----END ${label}-----`,
    '',
  ];
  return {
    format: label === 'OPENSSH PRIVATE KEY' ? 'openssh' : 'pem',
    text: lines.join('\n'),
    encrypted: lock !== null || label.startsWith('ENCRYPTED'),
  };
}

/** Says what a text is that holds no private key. */
function whatElse(text: string): ConnectError {
  const known = OTHER_THINGS.find(([pattern]) => pattern.test(text));
  if (known !== undefined) return notAPrivateKey(known[1]);
  const begins = /BEGIN [A-Z0-9 ]{0,60}PRIVATE KEY/.test(text);
  const ends = /END [A-Z0-9 ]{0,60}PRIVATE KEY/.test(text);
  if (begins !== ends) return cutOff(`its ${begins ? 'END' : 'BEGIN'} line is missing`);
  if (begins) return cutOff('its BEGIN and END lines are incomplete or do not match');
  const bytes = /^[A-Za-z0-9+/\s]{64,}=*$/.test(text) ? Buffer.from(text, 'base64') : Buffer.alloc(0);
  const isKey =
    bytes.toString('latin1', 0, 14) === 'openssh-key-v1' || (bytes[0] === 0x30 && bytes[1] === 0x82);
  if (isKey) return cutOff('its BEGIN and END lines are missing');
  return notAPrivateKey('something that is in no known format');
}

/** What repeats has a limit in each: without one, a text of 64 KB that is nothing of these takes 10 s. */
const OTHER_THINGS: ReadonlyArray<readonly [RegExp, string]> = [
  [/^\*+$/, 'only asterisks, as a log shows a secret'],
  [/^(SHA256|MD5):\S+$/, 'a fingerprint'],
  [/^\$(\{\{[^}]*\}\}|\{?\w+\}?)$/, 'the name of a variable that nothing replaced'],
  [/BEGIN (\w{1,30} )?CERTIFICATE|\S-cert-v01@openssh\.com AAAA/, 'a certificate'],
  [
    /\b(ssh-[a-z0-9]{1,30}|ecdsa-sha2-\w{1,30}|sk-\S{1,60}) AAAA|BEGIN (\w{1,30} )?PUBLIC KEY/,
    'a public key',
  ],
  [/BEGIN PGP /, 'a PGP key'],
  [/BEGIN SSH2 ENCRYPTED/, 'a key in the format of ssh.com, which `ssh-keygen -i -f key` converts'],
  [
    /^(~|\.{0,2}\/|[A-Za-z]:\\|file:)[^\r\n]{0,300}$|^[\w.\\/-]{1,300}\.(pem|key|ppk)$|^id_\w+$/,
    'a path to a file on another machine',
  ],
];
