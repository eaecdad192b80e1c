import { expect, test } from 'vitest';
import { block, code, name, prose } from '../../src/report/markdown.ts';
import { outsideOfCode } from '../rig/outside-of-code.ts';

const NASTY = [
  '```',
  '`````sh',
  '~~~',
  '</code></pre></details>',
  '<script>alert(1)</script>',
  '<!-- ',
  'a | b | c',
  '[a](http://evil.example)',
  '![a](http://evil.example/x.png)',
  '@octocat #1 www.evil.example https://evil.example',
  '*bold* _it_ ~x~ \\',
  ':smile: $x$ GH-1',
  '`',
  '``x`',
];

test.each(NASTY)('%j in a sentence or a table has no meaning but its own', (text) => {
  for (const markdown of [prose(`x ${text} y`), code(text), name(text)]) {
    expect(outsideOfCode(markdown)).not.toMatch(/[<>[\]!@#`*_~$\\|]|:\/\/|www\.|:\w+:/);
    // A bar in a table ends its cell, in code too.
    expect(markdown).not.toMatch(/(?<!\\)\|/);
  }
});

test.each([
  ['The build command failed with exit code 2.', 'The build command failed with exit code 2.'],
  ['It listens on :::3000, see https://a.example/x', 'It listens on `:::3000,` see `https://a.example/x`'],
  ["Run 'df -h' (again).", 'Run `df -h` (again).'],
  [
    "PM2's command ('pm2 | x') isn't on the disk's end",
    "PM2's command (`pm2 \\| x`) isn't on the disk's end",
  ],
  ['größe 日本', 'größe 日本'],
])('%s', (text, markdown) => {
  expect(prose(text)).toBe(markdown);
});

test('a block ends only at its own end, and says what was said', () => {
  const text = NASTY.join('\n');
  const [open = '', ...rest] = block(NASTY, 'sh').split('\n');
  expect(open).toMatch(/^`{6,}sh$/);
  expect(rest.at(-1)).toBe(open.replace('sh', ''));
  expect(rest.slice(0, -1).join('\n')).toBe(text);
  expect(block(['\u001b[31mred\u001b[0m\rnext'])).toBe('```\nred\nnext\n```');
});

test('names stay plain if they are, and are cut', () => {
  expect(['shop', 'web-1', 'api.v2', 'my shop'].map(name)).toEqual(['shop', 'web-1', 'api.v2', 'my shop']);
  expect(['a_b', 'www.x.y', '1', ''].map(name)).toEqual(['`a_b`', '`www.x.y`', '`1`', '–']);
  expect(name('x'.repeat(200)).length).toBeLessThan(70);
});
