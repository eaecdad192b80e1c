import { expect, test } from 'vitest';
import type { HostResult } from '../../src/protocol.ts';
import { renderErrorSummary, renderSummary } from '../../src/report/summary.ts';
import { failure, PREVIOUS, result, SHA } from './results.ts';

const FACTS = { label: 'web-1', path: '~/shop', commits: 'https://github.com/acme/shop/commit' };
const TAGS =
  /^<\/?(h3|p|table|tr|th|td|pre|code|a)( href="https:\/\/github\.com\/acme\/shop\/commit\/[ab]{40}")?>$/;
const NASTY = [
  '```',
  '</code></pre></details>',
  '<script>alert(1)</script>',
  '',
  '| a | b |',
  '![x](y)',
  '@octocat',
];

test('the first line says how it ended, and the table what runs', () => {
  const summary = renderSummary(result(), FACTS);
  expect(summary.split('\n')[0]).toBe('<h3>Deployed: aaaaaaa runs on all 2 instances, healthy.</h3>');
  expect(summary).toContain(`<td><a href="${FACTS.commits}/${SHA}"><code>aaaaaaa</code></a></td>`);
  expect(summary).toContain(`<td><a href="${FACTS.commits}/${PREVIOUS}"><code>bbbbbbb</code></a></td>`);
  expect(summary).toContain(
    '<td>2</td><td>42.4s</td><td><code>v22.11.0</code></td><td><code>5.4.3</code></td>',
  );
  expect(summary).toContain(
    'git 800ms, install 12.0s, build 8.0s, PM2 3.2s, verifying 10.0s, the rest 8.4s.',
  );
});

test('it says what became of the requests to the health URL', () => {
  const requests = { sent: 132, failed: 0, downtimeMs: 0 };
  expect(renderSummary(result({ requests }), FACTS)).toContain(
    '<p>While the app was replaced, 0 of 132 requests to the health URL failed.</p>',
  );
  expect(renderSummary(result(), FACTS)).not.toContain('health URL');
});

test('a failure shows what to do and the last lines', () => {
  const summary = renderSummary(result({ outcome: 'rolled-back', failure: failure() }), FACTS);
  expect(summary).toContain('<h3>Rolled back: The new version crashed. The old version (aaaaaaa) runs on');
  expect(summary).toContain('<p><code>Mend it and push.</code></p>');
  expect(summary).toContain('<pre><code>one\ntwo</code></pre>');
  expect(summary).toContain('<pre><code>Error: boom</code></pre>');
});

test('without a page for commits, and with a host that knows no commit, there is no link', () => {
  const summary = renderSummary(result({ previousSha: null }), { ...FACTS, commits: null });
  expect(summary).not.toContain('<a');
  expect(summary).toContain('<td>–</td>');
});

test('nothing that a host says changes the form of the summary', () => {
  const text = NASTY.join('\n');
  const nasty = renderSummary(
    result({
      outcome: 'failed',
      sha: '"><script>',
      previousSha: `${SHA}\n<b>`,
      instances: '<b>' as unknown as number,
      durationMs: '<b>' as unknown as number,
      requests: { sent: '<b>', failed: '</p>', downtimeMs: '<b>' } as unknown as HostResult['requests'],
      versions: { node: text, pm2: text },
      failure: failure({
        message: text,
        remedy: text,
        output: NASTY,
        appLogs: [{ app: text, version: 'new', lines: NASTY }],
      }),
    }),
    { ...FACTS, label: text, path: text },
  );
  const tags = nasty.match(/<[^>]*>/g) ?? [];
  expect(tags.filter((tag) => !TAGS.test(tag))).toEqual([]);
  expect(tags.filter((tag) => tag.startsWith('</'))).toHaveLength(tags.length / 2);
  // Outside of <pre> an empty line would end the HTML, and markdown would have a say in what follows it.
  const blocks = nasty
    .replace(/<pre>.*?<\/pre>/gs, '<pre></pre>')
    .split(/\n\n+/)
    .filter(Boolean);
  expect(blocks.every((block) => /^<(h3|p|table|pre)>/.test(block))).toBe(true);
});

test('it stays far below the size at which GitHub drops it', () => {
  const long = Array.from({ length: 400 }, () => '\'"<&日'.repeat(400));
  const ended = result({
    outcome: 'failed',
    failure: failure({
      message: long.join(),
      output: long,
      appLogs: [{ app: 'shop', version: 'new', lines: long }],
    }),
  });
  expect(Buffer.byteLength(renderSummary(ended, FACTS))).toBeLessThan(256 * 1024);
  expect(renderSummary(ended, FACTS)).toContain('<h3>Failed in verifying');
  expect(renderErrorSummary(long.join(), long.join(), long)).toContain('<h3>Failed: ');
});

test('an error without a result is said in the first line, and can be copied from', () => {
  const summary = renderErrorSummary('2 inputs cannot be used:\n- `a`\n- `b`', 'Set: host AAAA//BB@c', ['x']);
  expect(summary).toBe(
    '<h3>Failed: 2 inputs cannot be used:</h3>\n\n<pre><code>- `a`\n- `b`</code></pre>\n\n' +
      '<p><code>Set: host AAAA//BB@c</code></p>\n\n<pre><code>x</code></pre>\n\n',
  );
});
