import { expect, it } from 'vitest';
import { addressOnServer } from '../../../src/host/git/credentials.ts';

it.each([
  ['https://github.com/acme/app.git', 'https://github.com/acme/app.git'],
  ['https://someone:secret@github.com/acme/app', 'https://github.com/acme/app'],
  ['https://GitHub.com:443/acme/app', 'https://github.com/acme/app'],
  ['git@github.com:acme/app.git', 'https://github.com/acme/app.git'],
  ['ssh://git@github.com/acme/app.git', 'https://github.com/acme/app.git'],
  ['ssh://git@github.com:22/acme/app.git', 'https://github.com/acme/app.git'],
  ['https://github.com:8443/acme/app.git', null],
  ['https://github.com.evil.example/acme/app', null],
  ['https://github.com@evil.example/acme/app', null],
  ['http://github.com/acme/app', null],
  ['git://github.com/acme/app', null],
  ['git@github.com-alias:acme/app.git', null],
  ['git@gitlab.com:acme/app.git', null],
  ['/srv/git/github.com/app.git', null],
  ['file:///srv/git/app.git', null],
  ['ext::sh -c github.com:x', null],
])('of %s the address on the server is %s', (address, expected) => {
  expect(addressOnServer(address, { value: 'x', server: 'https://github.com' })).toBe(expected);
});
