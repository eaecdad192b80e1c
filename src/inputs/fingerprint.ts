import { BadValue } from './bad-value.ts';
import { splitList } from './split-list.ts';

/** One entry of `fingerprint`. */
export interface Fingerprint {
  /** Label or address of the one host that it is of, or null if it is of whichever there is. */
  host: string | null;
  /** `SHA256:…` */
  print: string;
}

/** A host that has to prove its identity. */
export interface Named {
  label: string;
  address: string;
}

const ENTRY = /^(?:([^=\s]+)=)?(SHA256:[A-Za-z0-9+/]{43})=?$/;
const MD5 = /^(?:MD5:)?(?:[0-9a-f]{2}:){15}[0-9a-f]{2}$/i;
const TAKES = "SHA-256 fingerprints of the servers' host keys, each as SHA256:… or host=SHA256:…";

/**
 * Reads `fingerprint`. With more than one host, hops included, each entry has to be bound to one: otherwise any of them
 * could stand in for another. `hosts` is null if what names them cannot be read.
 */
export function parseFingerprints(text: string, hosts: readonly Named[] | null): Fingerprint[] {
  const entries = splitList(text).map(parseEntry);
  if (hosts === null || entries.length === 0) return entries;
  const labels = hosts.map(({ label }) => label);
  if (hosts.length > 1 && entries.some(({ host }) => host === null)) {
    throw new BadValue(
      `an entry is bound to no host, and there are ${hosts.length}`,
      TAKES,
      `Bind each to the label or the address of its host, such as ${labels.map((label) => `${label}=SHA256:…`).join(', ')}.`,
    );
  }
  if (!entries.some((entry) => hosts.some((host) => isOf(entry, host)))) {
    throw new BadValue(
      'every entry is bound to another host',
      TAKES,
      `Bind it to the label or the address of this host, such as ${labels[0]}=SHA256:….`,
    );
  }
  return entries;
}

/** The fingerprints that one host may have; none where all are of others. */
export function fingerprintsOf(entries: readonly Fingerprint[], host: Named): string[] {
  return entries.filter((entry) => isOf(entry, host)).map(({ print }) => print);
}

function parseEntry(entry: string): Fingerprint {
  const [, host = null, print] = ENTRY.exec(entry) ?? [];
  if (print === undefined) {
    throw new BadValue(
      MD5.test(entry) ? 'it is an MD5 fingerprint' : 'it is no fingerprint',
      TAKES,
      'On the server, `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` prints it.',
    );
  }
  return { host, print };
}

function isOf({ host }: Fingerprint, { label, address }: Named): boolean {
  if (host === null || host === label) return true;
  return host.replace(/^\[(.*)\]$/, '$1').toLowerCase() === address.toLowerCase();
}
