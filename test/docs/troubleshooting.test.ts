import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { ROOT } from '../rig/places.ts';

const sources = readdirSync(path.join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts'))
  .map((name) => readFileSync(path.join(ROOT, 'src', name), 'utf8').replaceAll("\\'", "'"))
  .join('\n');

test('every message of docs/troubleshooting.md is one of ours', () => {
  const page = readFileSync(path.join(ROOT, 'docs/troubleshooting.md'), 'utf8');
  const messages = [...page.matchAll(/^\| `([^`]+)` \|/gm)].map(([, message = '']) => message);
  expect(messages.length).toBeGreaterThan(20);
  const parts = messages.flatMap((message) => message.split('…')).filter((part) => /\w{3}/.test(part));
  expect(parts.filter((part) => !sources.includes(part))).toEqual([]);
});
