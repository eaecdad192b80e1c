import { expect, test } from 'vitest';
import { endOfLog, interpretLog, parseFileCommand, readableLog } from './runner-log.ts';

const names = (log: string): string[] => interpretLog(log).map((command) => command.name);

test('a command counts where a line begins with it, after blanks', () => {
  expect(interpretLog('::set-output name=a,x=1::b%0Ac%25\n')).toEqual([
    {
      name: 'set-output',
      properties: { name: 'a', x: '1' },
      data: 'b\nc%',
      line: '::set-output name=a,x=1::b%0Ac%25',
    },
  ]);
  expect(names(' \t::Add-Mask::x')).toEqual(['add-mask']);
  expect(names('\u0085\u00a0::add-mask::x')).toEqual(['add-mask']);
  expect(names('a ::add-mask::x')).toEqual([]);
  expect(names('::add-mask:x')).toEqual([]);
  expect(names('::nonsense::x')).toEqual([]);
});

test('the old form counts anywhere in a line', () => {
  expect(interpretLog('app | ##[set-output name=a;b=c]d%3Be')).toEqual([
    {
      name: 'set-output',
      properties: { name: 'a', b: 'c' },
      data: 'd;e',
      line: 'app | ##[set-output name=a;b=c]d%3Be',
    },
  ]);
  expect(names('::nonsense:: ##[add-mask]e')).toEqual(['add-mask']);
  expect(names('a] ##[add-mask')).toEqual([]);
  // The first one only, as the runner looks for it.
  expect(names('##[section]Build ##[add-mask]e')).toEqual([]);
});

test('a lone carriage return ends a line', () => {
  expect(names('x\r::add-mask::a\r\n::debug::b\n\n::warning::c')).toEqual(['add-mask', 'debug', 'warning']);
});

test('nothing counts between stop-commands and its token', () => {
  const log = [
    '::stop-commands::Tok',
    '::add-mask::a',
    '##[add-mask]b',
    '::other::',
    'x ##[tOK]',
    '::debug::c',
  ];
  expect(names(log.join('\n'))).toEqual(['stop-commands', 'debug']);
});

test('outputs are read in both forms', () => {
  const text = 'a=1=2<<3\nb<<END\nx\n\na=9\nEND\n\nc=\nd<<E\nE\n';
  expect(parseFileCommand(text)).toEqual({ a: '1=2<<3', b: 'x\n\na=9', c: '', d: '' });
  expect(() => parseFileCommand('a')).toThrow("Invalid format 'a'");
  expect(() => parseFileCommand('a<<END\nx\n')).toThrow('delimiter not found');
});

test('a reader sees what GitHub shows: no commands and no masked value, but the text of an error', () => {
  const log = '::add-mask::secret\n::group::Inputs\nhello\n::endgroup::\n::error title=Failed::bad%0Aworse\n';
  expect(readableLog(log)).toBe('hello\nerror: bad\nworse\n');
  expect(endOfLog(log, 2)).toBe("The last 2 of 3 lines of the action's log:\n  | error: bad\n  | worse");
});
