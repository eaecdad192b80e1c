import { readIfThere } from '../system/durable.ts';

/** TCP ports, both included. */
export interface FreeRange {
  first: number;
  last: number;
}

/** The ports that this host's kernel gives to whoever listens on port 0. */
export function freeRange(): FreeRange {
  const [first, last] = (readIfThere('/proc/sys/net/ipv4/ip_local_port_range') ?? '').trim().split(/\s+/);
  // Linux's own, if /proc does not tell.
  return { first: Number(first) || 32_768, last: Number(last) || 60_999 };
}
