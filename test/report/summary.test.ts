import { expect, test } from 'vitest';
import { renderErrorSummary, renderSummary } from '../../src/report/summary.ts';
import { outsideOfCode } from '../rig/outside-of-code.ts';
import { FACTS, failure, PREVIOUS, result, SHA } from './results.ts';

const NASTY = [
  '```',
  '</code></pre></details>',
  '<script>alert(1)</script>',
  '',
  '| a | b |',
  '![x](y)',
  '@octocat',
];

test('a good deploy: the headline, a row for the host, the commit and where to read on', () => {
  const previousRun = 'https://github.com/acme/shop/actions/runs/7/attempts/1';
  const summary = renderSummary(
    result({ previousRun, requests: { sent: 129, failed: 0, downtimeMs: 0 } }),
    FACTS,
  );
  expect(summary.split('\n')[0]).toBe('### ✅ shop is live on web-1 at `aaaaaaa`, was `bbbbbbb`');
  expect(summary).toContain(
    '| Host | App | Version | Health checks failed | Took |\n| :-- | :-- | :-- | :-- | --: |\n',
  );
  expect(summary).toContain(
    `| web-1 | 🟢 up, 2 of 2 healthy | [\`bbbbbbb\`](${FACTS.commits}/${PREVIOUS}) → [\`aaaaaaa\`](${FACTS.commits}/${SHA}) | 0 of 129 | 42.4s |`,
  );
  expect(summary).toContain(
    `Show totals in cents by ann · [changes since \`bbbbbbb\`](https://github.com/acme/shop/compare/${PREVIOUS}...${SHA}) · [previous deploy](${previousRun})`,
  );
  expect(summary).toContain('git 800ms, install 12.0s, build 8.0s, PM2 3.2s, verifying 10.0s, the rest 8.4s');
});

test('instances that still run the old version on new files are counted, named, and said how to end', () => {
  const summary = renderSummary(result({ outdated: [{ name: 'api|x', instances: 1 }] }), FACTS);
  expect(summary).toContain('2 of 2 healthy, 1 on an older version');
  expect(summary).toMatch(/\*\*Still on an older version\*\*, on files of the new one: .*api.*x.* \(1\)\./);
  expect(renderSummary(result(), FACTS)).not.toContain('older version');
});

test('a version whose pages nobody asked for is called online, and why', () => {
  const summary = renderSummary(result({ asked: false }), FACTS);
  expect(summary).toContain('🟢 up, 2 of 2 online');
  expect(summary).toContain('Set `health-url`');
  expect(renderSummary(result({ asked: true }), FACTS)).not.toContain('Nobody asked');
});

test('a failure says what broke by its first errors, what to do, and folds the rest', () => {
  const ended = result({
    outcome: 'failed',
    sha: PREVIOUS,
    failure: failure({
      state: 'staged',
      message: "The install command 'npm ci' ended with exit code 1.",
      remedy: null,
      appLogs: [],
      output: [
        'npm error code EUSAGE',
        'npm error Missing: left-pad@1.3.0 from lock file',
        'npm error Usage:',
      ],
    }),
  });
  const summary = renderSummary(ended, FACTS);
  expect(summary).toContain(
    '**What broke:** The install command `npm ci` ended with exit code 1.\n\n```\nnpm error Missing: left-pad@1.3.0 from lock file\n```',
  );
  expect(summary).toContain(
    '**What to do:** nothing on the server. Fix it, push, and the next run deploys it.',
  );
  expect(summary).toContain(
    '<details><summary>Last lines of the failed step</summary>\n\n```\nnpm error code EUSAGE',
  );
});

test('an outage names both versions and what each said, and has commands to copy', () => {
  const ended = result({
    outcome: 'rollback-failed',
    sha: PREVIOUS,
    apps: [{ name: 'shop', instances: 2, online: 0, ended: 0 }],
    failure: failure({
      rollback: 'shop does not start',
      appLogs: [
        { app: 'shop', version: 'new', lines: ['Error: boom'] },
        { app: 'shop', version: 'old', lines: ['Error: Schema is at version 2'] },
      ],
    }),
  });
  const summary = renderSummary(ended, { ...FACTS, path: "my 'app" });
  expect(summary).toMatch(/^### 🔴 shop is DOWN on web-1: neither `aaaaaaa` nor `bbbbbbb` works/);
  expect(summary).toContain('(new): The new version crashed\n\n```\nError: boom\n```');
  expect(summary).toContain(
    '(old), which was put back: shop does not start\n\n```\nError: Schema is at version 2\n```',
  );
  expect(summary).toContain(
    "On web-1 as `deploy`:\n\n```sh\ncd ~/'my '\\''app'\npm2 list\npm2 logs shop --err --lines 50 --nostream\npm2 restart shop\n```",
  );
  expect(summary).toContain('Or deploy a commit that works: the next deploy starts from here.');
});

test('commands of what to do can be copied', () => {
  const remedy = "See 'df -h' and 'df -i' on the host, make room, and run the job again.";
  const summary = renderSummary(result({ outcome: 'failed', failure: failure({ remedy }) }), FACTS);
  expect(summary).toContain('```sh\ndf -h\ndf -i\n```');
});

test('without a page for commits, and with a host that knows no commit, there is no link', () => {
  const summary = renderSummary(result({ previousSha: null }), { ...FACTS, commits: null });
  expect(summary).not.toContain('](');
  expect(summary).toContain('| `aaaaaaa` |');
});

test('nothing that a host says changes the form of the summary', () => {
  const text = NASTY.join('\n');
  const nasty = renderSummary(
    result({
      outcome: 'rollback-failed',
      previousRun: `https://github.com/a/b/actions/runs/7\n${text}`,
      commit: { subject: text, author: text },
      apps: [{ name: text, instances: 2, online: 2, ended: 0 }],
      failure: failure({
        message: text,
        remedy: text,
        output: NASTY,
        appLogs: [
          { app: text, version: 'new', lines: NASTY },
          { app: text, version: 'old', lines: NASTY },
        ],
        rollback: text,
      }),
    }),
    { ...FACTS, label: text, path: text },
  );
  const markdown = outsideOfCode(nasty);
  expect(markdown).not.toMatch(/octocat|script|!\[|code>|<\/pre|a \| b/);
  expect(
    [...markdown.matchAll(/<[^>]*>/g)]
      .map(([tag]) => tag)
      .filter((tag) => !/^<\/?(?:details|summary|sub)>$/.test(tag)),
  ).toEqual([]);
  expect(markdown.match(/<details>/g)).toHaveLength(3);
  expect(markdown.match(/<\/details>/g)).toHaveLength(3);
});

test('addresses and runs stay whole', () => {
  const summary = renderSummary(
    result({
      outcome: 'failed',
      failure: failure({
        message: 'http://localhost:3000/health answers 500',
        output: ['Error: listen EADDRINUSE: address already in use :::3000'],
        appLogs: [],
      }),
    }),
    FACTS,
  );
  expect(summary).toContain('`http://localhost:3000/health` answers 500');
  expect(summary).toContain('address already in use :::3000');
  expect(summary).not.toContain('\u200b');
});

test('it stays far below the size at which GitHub drops it, and keeps what matters', () => {
  const long = Array.from({ length: 500 }, () => '\'"<&日'.repeat(1_600));
  const ended = result({
    outcome: 'rollback-failed',
    failure: failure({
      message: long.join(),
      output: long,
      appLogs: [
        { app: 'shop', version: 'new', lines: long },
        { app: 'shop', version: 'old', lines: long },
      ],
      rollback: long.join(),
    }),
  });
  const summary = renderSummary(ended, FACTS);
  expect(Buffer.byteLength(summary)).toBeLessThan(256 * 1024);
  expect(summary).toMatch(/^### 🔴 shop is unhealthy on web-1/);
  expect(summary).toContain('pm2 restart shop');
  const trouble = renderErrorSummary(long.join(), long.join(), long);
  expect(Buffer.byteLength(trouble)).toBeLessThan(256 * 1024);
  expect(trouble).toMatch(/^### ❌ /);
});

test('an error without a result is said in the first line, with what to do and what can be copied', () => {
  expect(renderErrorSummary('2 inputs cannot be used:\n- `a`\n- `b`', "Run 'ssh-keygen -lf k'", ['x'])).toBe(
    '### ❌ 2 inputs cannot be used:\n\n```\n- `a`\n- `b`\n```\n\n**What to do:** Run `ssh-keygen -lf k`\n\n```sh\nssh-keygen -lf k\n```\n\n```\nx\n```\n\n',
  );
  expect(renderErrorSummary('It was lost. Then more. Yes.', null, [])).toBe(
    '### ❌ It was lost.\n\nThen more. Yes.\n\n',
  );
});
