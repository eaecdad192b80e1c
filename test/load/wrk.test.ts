import { expect, test } from 'vitest';
import { counted } from './wrk.ts';

const HEAD = `Running 60m test @ http://127.0.0.1:8080/
  1 threads and 16 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.79ms    2.11ms  41.46ms   93.15%
    Req/Sec     3.09k   589.90     4.21k    69.23%
  8011 requests in 2.61s, 1.13MB read
`;

test.each([
  ['nothing failed', HEAD, { sent: 8011, failed: 0, failures: {} }],
  [
    'sockets failed',
    `${HEAD}  Socket errors: connect 3, read 2, write 0, timeout 1\nRequests/sec:   3073.90\n`,
    { sent: 8017, failed: 6, failures: { connect: 3, read: 2, timeout: 1 } },
  ],
  [
    'answers were bad',
    `${HEAD}  Non-2xx or 3xx responses: 4\n`,
    { sent: 8011, failed: 4, failures: { 'not 2xx': 4 } },
  ],
])('what wrk prints where %s', (_, printed, expected) => {
  expect(counted(printed)).toEqual(expected);
});

test('a wrk that did not come to its summary is no count of 0', () => {
  expect(() => counted('unable to connect to 127.0.0.1:1 Connection refused')).toThrow(
    /did not say .*refused/s,
  );
});
