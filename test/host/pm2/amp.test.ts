import { expect, test } from 'vitest';
import { encodeMessage, MessageReader } from '../../../src/host/pm2/amp.ts';

const messages = [
  [{ type: 'call', method: 'getVersion', args: [{}] }, 'id:1'],
  [{ args: [[{ name: 'ä b', text: 'x'.repeat(100_000) }]] }, 'id:2'],
  ['', null, []],
];

test.each([1, 7, 4096, 1_000_000])('messages that come in pieces of %i bytes are read whole', (size) => {
  const wire = Buffer.concat(messages.map(encodeMessage));
  const read: unknown[][] = [];
  const reader = new MessageReader((args) => read.push(args));
  for (let at = 0; at < wire.length; at += size) reader.write(wire.subarray(at, at + size));
  expect(read).toEqual(messages);
});
