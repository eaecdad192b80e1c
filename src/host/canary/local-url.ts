import { hostname, networkInterfaces } from 'node:os';

/** The port that a URL names on this host. Null if it names another host, as far as is known without a name server. */
export function localPort(url: string | null): number | null {
  if (url === null) return null;
  const { protocol, hostname: named, port } = new URL(url);
  const name = named.replace(/^\[|\]$/g, '');
  const own = Object.values(networkInterfaces()).flatMap((list) =>
    (list ?? []).map(({ address }) => address),
  );
  const isLocal =
    ['localhost', '0.0.0.0', '::', '::1', hostname()].includes(name) ||
    /^127\.\d+\.\d+\.\d+$/.test(name) ||
    own.includes(name);
  if (!isLocal) return null;
  return port === '' ? (protocol === 'https:' ? 443 : 80) : Number(port);
}
