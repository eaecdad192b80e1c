// Makes the pictures in docs/images of summaries of real deploys (test/report/real): `npm run screenshots`.
// A real browser draws them with GitHub's stylesheet. Needs Debian's packages chromium and fonts-noto-color-emoji.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { marked } from 'marked';

const ROOT = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const STYLE = createRequire(import.meta.url).resolve('github-markdown-css/github-markdown-light.css');
const SHOWN = ['deployed', 'canary-failed', 'rolled-back', 'rollback-failed'];
const WIDTH = 980;

const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--hide-scrollbars',
];

function pageOf(markdown) {
  // GitHub draws it below a heading of its own; the rest is as there.
  const body = marked.parse(markdown, { gfm: true });
  const tell = "document.documentElement.setAttribute('data-height', document.body.scrollHeight)";
  return `<!doctype html><meta charset="utf-8"><style>${readFileSync(STYLE, 'utf8')}body { margin: 0; background: #fff; } article { padding: 24px; }</style><article class="markdown-body">${body}</article><script>${tell}</script>`;
}

const directory = mkdtempSync(path.join(os.tmpdir(), 'screenshots-'));
const browse = (...args) =>
  execFileSync('chromium', [...FLAGS, `--user-data-dir=${path.join(directory, 'profile')}`, ...args], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
    timeout: 60_000,
  });
try {
  mkdirSync(path.join(ROOT, 'docs/images'), { recursive: true });
  for (const name of SHOWN) {
    const page = path.join(directory, `${name}.html`);
    writeFileSync(page, pageOf(readFileSync(path.join(ROOT, `test/report/real/${name}.md`), 'utf8')));
    const dom = browse(`--window-size=${WIDTH},400`, '--dump-dom', `file://${page}`);
    const height = Number(/data-height="(\d+)"/.exec(dom)?.[1] ?? 600);
    const picture = path.join(ROOT, `docs/images/${name}.png`);
    browse(`--window-size=${WIDTH},${height}`, `--screenshot=${picture}`, `file://${page}`);
    console.log(path.relative(ROOT, picture));
  }
} finally {
  rmSync(directory, { recursive: true, force: true });
}
