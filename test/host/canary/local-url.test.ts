import { hostname } from 'node:os';
import { expect, test } from 'vitest';
import { localPort } from '../../../src/host/canary/local-url.ts';

test.each<[string | null, number | null]>([
  [null, null],
  ['http://localhost:3000/health', 3000],
  ['http://127.0.0.1:3000/', 3000],
  ['http://127.1.2.3/', 80],
  ['https://[::1]/', 443],
  [`http://${hostname()}:8080/`, 8080],
  ['https://app.example.com/health', null],
  ['http://192.0.2.7:3000/', null],
])('%s', (url, port) => {
  expect(localPort(url)).toBe(port);
});
