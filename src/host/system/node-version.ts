import { basename } from 'node:path';
import { run } from './command.ts';

/** Major and minor. */
export type NodeVersion = readonly [number, number];

const TIME_LIMIT = 5_000;

/** `v22.12.0` or `22.12`; null for anything else. */
export function parseVersion(text: string): NodeVersion | null {
  const [, major, minor] = /^v?(\d+)\.(\d+)/.exec(text.trim()) ?? [];
  return major === undefined ? null : [Number(major), Number(minor)];
}

/** Whether it takes the guard of our preload, which has nothing that can be missing. */
export function loadsPreload([major, minor]: NodeVersion): boolean {
  return major >= 19 || (major === 18 && minor >= 18);
}

/** Whether two processes can listen on one port with it (`reusePort`). */
export function sharesPorts([major, minor]: NodeVersion): boolean {
  return major > 23 || (major === 23 && minor >= 1) || (major === 22 && minor >= 12);
}

/** What native modules are built for, of the Node that runs this program. */
export function nodeAbi(): string {
  return `${process.platform}-${process.arch}-${process.versions.modules}`;
}

export function older(one: NodeVersion, other: NodeVersion): NodeVersion {
  return one[0] < other[0] || (one[0] === other[0] && one[1] < other[1]) ? one : other;
}

const asked = new Map<string, Promise<NodeVersion | null>>();

/** The version of a Node by its path; null where it is none or does not say. */
export function versionOf(executable: string): Promise<NodeVersion | null> {
  if (!/^node(js)?\d*$/.test(basename(executable))) return Promise.resolve(null);
  const known = asked.get(executable);
  if (known !== undefined) return known;
  const options = { cwd: '/', env: {}, timeLimit: TIME_LIMIT, keep: 100 };
  const answer = run(executable, ['--version'], options).then(
    ({ stdout }) => parseVersion(stdout),
    () => null,
  );
  asked.set(executable, answer);
  return answer;
}
