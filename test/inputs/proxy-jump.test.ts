import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { BadValue } from '../../src/inputs/bad-value.ts';
import { parseProxyJump } from '../../src/inputs/proxy-jump.ts';

const PIECES = [
  'a',
  'B',
  '7',
  '-',
  '.',
  '_',
  '@',
  ':',
  '22',
  '0',
  '65536',
  '[',
  ']',
  '::1',
  '[::1]',
  'fe80::',
  '/',
  '%',
];
const MORE = [
  ',',
  ' ',
  '\\',
  '$(id)',
  '\n',
  'ż',
  '"',
  "'",
  ';',
  '=',
  'user@',
  'host',
  ':2222',
  'none',
  '\u0000',
  '127.0.0.1',
];

/** Numbers that look random, and are the same in every run. */
function numbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

test('whatever is given, it is read or refused, and what is read OpenSSH takes for the same hops', () => {
  const pick = numbers(4711);
  const pieces = [...PIECES, ...MORE];
  const taken = new Map<string, ReturnType<typeof parseProxyJump>>();
  for (let round = 0; round < 8_000; round += 1) {
    const text = Array.from({ length: 1 + pick(6) }, () => pieces[pick(pieces.length)])
      .join('')
      .trim();
    try {
      const hops = parseProxyJump(text, 'host-1');
      if (hops.length > 0) taken.set(text, hops);
    } catch (error) {
      expect(error, JSON.stringify(text)).toBeInstanceOf(BadValue);
    }
  }
  expect(taken.size).toBeGreaterThan(150);
  // Labels, blanks around commas, line ends and empty entries are this action's own.
  const comparable = [...taken].filter(([text]) => !/[=\s]|^,|,,|,$/.test(text));
  expect(comparable.length).toBeGreaterThan(50);
  for (const [text, hops] of comparable.slice(0, 80)) {
    const ssh = spawnSync('ssh', ['-F', 'none', '-G', '-J', text, 'target.example.com'], {
      encoding: 'utf8',
    });
    expect(ssh.status, `${text}: ${ssh.stderr}`).toBe(0);
    const seen = /^proxyjump (.*)$/m.exec(ssh.stdout)?.[1] ?? '';
    expect(seen.split(',')).toHaveLength(hops.length);
    const last = hops.at(-1);
    expect(seen.toLowerCase(), text).toContain(last?.address.toLowerCase());
  }
});
