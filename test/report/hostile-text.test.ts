import { describe, expect, test } from 'vitest';
import { hostLines, hostSentence, plainLines } from '../../src/report/hostile-text.ts';
import { interpretLog } from '../rig/runner-log.ts';

const COMMANDS = [
  '::stop-commands::x',
  'a ##[add-mask]e',
  'x\r::set-output name=outcome::deployed',
  'x\u2028::add-mask::y',
  '\u0085::add-mask::y',
  '\t ::add-mask::y',
  '##[set-output name=outcome]deployed',
  '#\u200b#[add-mask]e',
  '##\x00[add-mask]e',
  '#\x1b[31m#[add-mask]e',
  '##\x1b[2J[add-mask]e',
  '#\x1b]0;title\x07#[add-mask]e',
  ':\x1b\x1b[2K:add-mask::e',
  ':\u00ad:add-mask:\ufeff:e',
  ':::add-mask::e',
  '####[[add-mask]e',
];

describe('lines of a host', () => {
  test.each(COMMANDS)('%j is no command, with or without a prefix', (text) => {
    for (const prefix of ['', '  web-1 | ']) {
      const lines = hostLines(`${text}\n${text}`, { prefix });
      expect(commandsIn(lines.join('\n'))).toEqual([]);
      expect(lines.every((line) => line.startsWith(prefix))).toBe(true);
    }
  });

  test('every line end that anyone knows begins a line with its prefix', () => {
    expect(hostLines('a\nb\rc\r\nd\u2028e\u2029f\x85g\vh\fi\n', { prefix: '> ' })).toEqual(
      [...'abcdefghi'].map((letter) => `> ${letter}`),
    );
    expect(hostLines('')).toEqual([]);
    expect(hostLines('\n\na')).toEqual(['', '', 'a']);
  });

  test('tabs and colours stay, and a colour ends with its line', () => {
    expect(hostLines('\x1b[1;31mred\x1b[0m\tplain')).toEqual(['\x1b[1;31mred\x1b[0m\tplain\x1b[0m']);
    expect(hostLines('\x1b[1;31mred', { colours: false })).toEqual(['red']);
  });

  test.each([
    ['a\x1b[2Jb\x1b[1A\x1b[Kc', 'abc'],
    ['a\x1b]8;;http://evil\x07link\x1b]8;;\x1b\\b', 'alinkb'],
    ['a\x1bPq#0\x1b\\b\x9b31mc\x9dtitle\x9cd', 'abcd'],
    ['a\b\b\x00\x7fb\x1b', 'ab'],
    ['a\x1b(Bb\x1b7c\x1b[?25ld', 'abcd'],
    ['admin\u202etxt.exe\u2066', 'admintxt.exe'],
    ['a\ud800b', 'ab'],
    ['größe 日本 🎉', 'größe 日本 🎉'],
  ])('%j reads %j', (text, plain) => {
    expect(hostLines(text)).toEqual([plain]);
  });

  test('what looks like a command can still be read', () => {
    expect(hostLines('std::string at ::1 ##[group]')).toEqual(['std::string at ::1 # #[group]']);
    expect(hostLines('listen EADDRINUSE: address already in use :::3000')).toEqual([
      'listen EADDRINUSE: address already in use :::3000',
    ]);
    expect(hostLines(':::3000 is in use')).toEqual([': ::3000 is in use']);
    expect(plainLines(':::3000 is in use\n##[group]')).toEqual([':::3000 is in use', '##[group]']);
    expect(hostLines('http://localhost:3000 # a [b]')).toEqual(['http://localhost:3000 # a [b]']);
  });

  test('a long line is cut, between characters and outside of colours', () => {
    expect(hostLines('x'.repeat(50), { longestLine: 10 })).toEqual([`${'x'.repeat(10)} …`]);
    expect(hostLines('123456789🎉x', { longestLine: 10 })).toEqual(['123456789 …']);
    expect(hostLines('1234567\x1b[31mred', { longestLine: 10 })).toEqual(['1234567 …']);
    const [line = ''] = hostLines('x'.repeat(10_000_000));
    expect(line.length).toBeLessThan(2_100);
  });

  test('long text is cut, and says by how much', () => {
    expect(hostLines('a\nb\nc\nd', { most: 2, prefix: '| ' })).toEqual([
      '| a',
      '| b',
      '| (2 more lines are left out)',
    ]);
    expect(hostLines('a\nb\nc', { most: 2 })).toEqual(['a', 'b', '(1 more line is left out)']);
  });

  test('a sentence is one line without colours', () => {
    expect(hostSentence(' a\r\n\x1b[31mb\tc \u2029 d ')).toBe('a b c d');
    expect(commandsIn(hostSentence('x\n::add-mask::e ##[add-mask]f'))).toEqual([]);
    expect(hostSentence('x'.repeat(50), 10)).toBe(`${'x'.repeat(10)} …`);
  });
});

test('whatever a host says, no command comes out', () => {
  const pieces = [
    ...['#', '##', '[', '##[', ']', ':', '::', ' ', '\t', '\r', '\n', '\r\n', ',', '=', '%0A', '%23', '%3A'],
    ...[
      '\x1b',
      '\x1b[',
      '\x1b[31m',
      '\x1b[2J',
      'm',
      '\x1b]',
      '\x07',
      '\x9b',
      '\x00',
      '\b',
      '\x85',
      '\v',
      '\f',
    ],
    ...[
      '\u200b',
      '\u200d',
      '\u00ad',
      '\ufeff',
      '\ufe0f',
      '\u2028',
      '\u2029',
      '\u3164',
      '\u00a0',
      '\u3000',
      '\ud83c',
    ],
    ...['add-mask', 'set-output name=outcome', 'stop-commands', 'error', 'group', 'ADD-MASK', 'x', '31'],
  ];
  const random = seeded(20_261_121);
  for (let round = 0; round < 40_000; round++) {
    const count = 1 + Math.floor(random() * 14);
    const text = Array.from({ length: count }, () => pieces[Math.floor(random() * pieces.length)]).join('');
    const prefix = round % 2 === 0 ? '' : 'web-1 | ';
    const longestLine = round % 3 === 0 ? 2_000 : Math.ceil(random() * 20);
    const printed = hostLines(text, { prefix, longestLine }).join('\n');
    const sentence = hostSentence(text, longestLine);
    const found = [...commandsIn(printed), ...commandsIn(sentence)];
    if (found.length > 0) expect.fail(`${JSON.stringify(text)} became ${JSON.stringify(printed)}`);
  }
});

/**
 * What the runner would carry out, also where it passes over characters that have no weight in its culture: it
 * searches lines by those rules.
 */
function commandsIn(log: string): string[] {
  const weightless = /[\p{Cf}\p{Default_Ignorable_Code_Point}]|(?!\n|\r|\t)\p{Cc}/gu;
  return [...interpretLog(log), ...interpretLog(log.replace(weightless, ''))].map((command) => command.name);
}

function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}
