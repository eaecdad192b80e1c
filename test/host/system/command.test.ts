import { expect, it } from 'vitest';
import { run } from '../../../src/host/system/command.ts';
import { LineSplitter, LONGEST_LINE } from '../../../src/host/system/line-splitter.ts';

const OPTIONS = { cwd: '/', env: process.env, timeLimit: 30_000 };
const node = (code: string, options = {}) => run(process.execPath, ['-e', code], { ...OPTIONS, ...options });

it('gives the lines of both streams in the order in which they were printed', async () => {
  const lines: string[] = [];
  const code = `for (let n = 0; n < 2000; n++) require('fs').writeSync(1 + n % 2, 'line ' + n + '\\n');`;
  const { tail } = await node(code, { inOrder: true, onLine: (line: string) => lines.push(line) });
  expect(lines).toEqual(Array.from({ length: 2000 }, (_, n) => `line ${n}`));
  expect(tail).toEqual(lines.slice(-40));
});

it('hands arguments on as they are through one pipe too, and ends as the program does', async () => {
  const args = ['$(id)', "it's", '', '-c', 'a "b"\nc'];
  const code = 'console.error(JSON.stringify(process.argv.slice(1))); process.exit(7)';
  const result = await run(process.execPath, ['-e', code, '--', ...args], { ...OPTIONS, inOrder: true });
  expect(result).toMatchObject({ code: 7, tail: [JSON.stringify(args)] });
  const killed = await run('sh', ['-c', 'kill -KILL $$'], { ...OPTIONS, inOrder: true });
  expect(killed).toMatchObject({ code: null, signal: 'SIGKILL' });
});

it('keeps stdout apart, and only as much of it as was asked for', async () => {
  const code = "console.log('out'); console.error('err')";
  expect((await node(code)).stdout).toBe('');
  expect((await node(code, { keep: 1024 })).stdout).toBe('out\n');
});

it('of 300 MB that nobody asked for, keeps the last lines alone', async () => {
  const before = process.memoryUsage().rss;
  const code = `const line = 'x'.repeat(1023) + '\\n'; const block = Buffer.from(line.repeat(1024));
    for (let n = 0; n < 300; n++) for (let at = 0; at < block.length;) { try { at += require('fs').writeSync(1, block, at) } catch (error) { if (error.code !== 'EAGAIN') throw error } }`;
  const { tail, code: ended } = await node(code, { inOrder: true });
  expect([ended, tail.length]).toEqual([0, 40]);
  expect((process.memoryUsage().rss - before) / 2 ** 20).toBeLessThan(150);
});

it('cuts lines at every kind of line end, whatever the chunks', () => {
  for (const size of [1, 2, 3, 5, 100]) {
    const lines: string[] = [];
    const splitter = new LineSplitter((line) => lines.push(line));
    const bytes = Buffer.from('one\r\ntwo\rthree\n\nfür\r\n\rlast');
    for (let at = 0; at < bytes.length; at += size) splitter.write(bytes.subarray(at, at + size));
    splitter.end();
    expect(lines).toEqual(['one', 'two', 'three', '', 'für', '', 'last']);
  }
});

it('gives the beginning of a line that is too long once, at once, and goes on with the next', () => {
  for (const size of [1000, 4096, 20_000]) {
    const lines: string[] = [];
    const splitter = new LineSplitter((line) => lines.push(line));
    const bytes = Buffer.from(`${'a'.repeat(LONGEST_LINE)}${'b'.repeat(9000)}\nnext\n${'c'.repeat(5000)}`);
    for (let at = 0; at < bytes.length; at += size) splitter.write(bytes.subarray(at, at + size));
    expect(lines.at(-1)).toBe('c'.repeat(LONGEST_LINE));
    splitter.end();
    expect(lines).toEqual(['a'.repeat(LONGEST_LINE), 'next', 'c'.repeat(LONGEST_LINE)]);
  }
});
