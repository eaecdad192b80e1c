import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { type Asked, countRequests, startProbe } from '../../../src/host/health/probe.ts';
import { freePort } from '../../rig/free-port.ts';

const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

/** A site that answers with what `status` is then; 0 is no answer at all. */
async function site(): Promise<{ url: string; status: number; connections: number; open(): number }> {
  const server = createServer((_, response) => {
    if (state.status > 0) response.writeHead(state.status).end('words');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  let open = 0;
  server.on('connection', (socket) => {
    state.connections += 1;
    open += 1;
    socket.on('close', () => {
      open -= 1;
    });
  });
  closing.push(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const state = { url: `http://127.0.0.1:${port}/`, status: 200, connections: 0, open: () => open };
  return state;
}

const sent = (connections: () => number, more: number): Promise<void> => {
  const goal = connections() + more;
  return expect.poll(connections, { interval: 10 }).toBeGreaterThanOrEqual(goal);
};

test('a good site fails nothing, and is asked over connections of their own', async () => {
  const good = await site();
  const probe = startProbe([good.url]);
  await sent(() => good.connections, 5);
  const counted = probe.stop();
  expect(counted).toMatchObject({ failed: 0, downtimeMs: 0 });
  expect(counted?.sent).toBeGreaterThanOrEqual(4);
  expect(counted?.sent).toBeLessThanOrEqual(good.connections);
  expect(probe.stop()).toBe(counted);
});

test('a stretch of failures counts from its first request to the next good one', async () => {
  const shaky = await site();
  const probe = startProbe([shaky.url]);
  await sent(() => shaky.connections, 2);
  const began = performance.now();
  shaky.status = 500;
  await sent(() => shaky.connections, 4);
  shaky.status = 200;
  const mended = performance.now();
  await sent(() => shaky.connections, 3);
  const counted = probe.stop();
  expect(counted?.failed).toBeGreaterThanOrEqual(3);
  expect(counted?.downtimeMs).toBeGreaterThan(200);
  expect(counted?.downtimeMs).toBeLessThan(mended - began + 1_000);
});

test('a site that hangs gets few requests at once, and none is left when it ends', async () => {
  const hanging = await site();
  hanging.status = 0;
  const probe = startProbe([hanging.url]);
  await sent(() => hanging.connections, 10);
  // The time in which it would send more.
  const clock = await site();
  const ticking = startProbe([clock.url]);
  await sent(() => clock.connections, 4);
  ticking.stop();
  expect(hanging.connections).toBe(10);
  expect(probe.stop()).toEqual({ sent: 0, failed: 0, downtimeMs: 0 });
  await expect.poll(hanging.open).toBe(0);
});

test('with two URLs a good answer of one is enough', async () => {
  const good = await site();
  const probe = startProbe([`http://127.0.0.1:${await freePort()}/`, good.url]);
  await sent(() => good.connections, 4);
  expect(probe.stop()).toMatchObject({ failed: 0 });
});

test('without a URL nothing is counted', () => {
  expect(startProbe([]).stop()).toBeNull();
});

describe('what is counted', () => {
  const asked = (marks: string): Asked[] =>
    [...marks].map((mark, i) => ({ at: i * 100, good: mark === '+' }));

  test.each([
    ['', 0, 0],
    ['++++', 0, 0],
    ['+-+', 1, 100],
    ['--++', 2, 200],
    ['+-+--+', 3, 300],
    ['+++--', 2, 200],
    ['---', 3, 300],
  ])('%j', (marks, failed, downtimeMs) => {
    const list = asked(marks);
    expect(countRequests(list, marks.length * 100)).toEqual({ sent: marks.length, failed, downtimeMs });
    // Answers come in any order.
    expect(countRequests([...list].reverse(), marks.length * 100)).toMatchObject({ downtimeMs });
  });
});
