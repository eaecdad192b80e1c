import type { PrivateKey } from '../runner/keys/keys.ts';
import { BadValue } from './bad-value.ts';
import { type HostAddress, parseEntry } from './host-address.ts';
import { splitList } from './split-list.ts';
import { parseKey } from './trust.ts';

/** A hop as `proxy-jump` names it; it has its own label, or `hop-1` by its place. */
export interface HopAddress extends HostAddress {
  label: string;
}

const TAKES =
  'the hops in order, each as [label=][user@]host[:port], with an IPv6 address in brackets, or `none`';

/** Reads `proxy-jump`; `targets` are the labels of the hosts that it leads to. */
export function parseProxyJump(text: string, ...targets: string[]): HopAddress[] {
  if (text === 'none') return [];
  const hops = splitList(text).map((entry, index) => {
    const hop = parseEntry(entry, TAKES);
    return { ...hop, label: hop.label ?? `hop-${index + 1}` };
  });
  const labels = [...targets, ...hops.map(({ label }) => label)];
  const twice = labels.find((label, index) => labels.indexOf(label) !== index);
  if (twice !== undefined) {
    throw new BadValue(
      `${JSON.stringify(twice)} is the label of two hosts`,
      TAKES,
      'Give each hop a label of its own, other than that of `host`.',
    );
  }
  return hops;
}

/** Reads `proxy-key`; null if the hops get the key of the host, or those of the ssh-agent. */
export function parseProxyKey(
  text: string,
  passphrase: string,
  { hops, key, agent }: { hops: string; key: string; agent: string },
): PrivateKey | null {
  const takes = 'a private key for the hops of `proxy-jump`; default is `key`';
  const hasHops = hops !== '' && hops !== 'none';
  if (text !== '') {
    if (hasHops) return ofHops(() => parseKey(text, passphrase, '', ''));
    throw new BadValue('there is no hop to use it for', takes, 'Set `proxy-jump`, or leave this out.');
  }
  if (hasHops && key === '' && agent === '') {
    throw new BadValue(
      'there is nothing to log in to the hops with',
      takes,
      'A hop never gets the password.',
    );
  }
  return null;
}

/** What is wrong with a key is said of `key` and `passphrase`: here the inputs have other names. */
function ofHops<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof BadValue)) throw error;
    const renamed = (text: string): string =>
      text
        .replace('passphrase is not set', 'proxy-passphrase is not set')
        .replace(/^Set (key|passphrase) /, 'Set proxy-$1 ');
    throw new BadValue(
      renamed(error.message),
      error.takes,
      error.remedy === null ? null : renamed(error.remedy),
    );
  }
}

/** Checks that there is a key for `proxy-passphrase` to unlock. */
export function checkProxyPassphrase(text: string, proxyKey: string): void {
  if (text !== '' && proxyKey === '') {
    throw new BadValue(
      'there is no `proxy-key` to unlock',
      'what unlocks `proxy-key`',
      '`passphrase` unlocks `key`, for the hops too.',
    );
  }
}
