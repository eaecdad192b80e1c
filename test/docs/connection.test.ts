import { readFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import path from 'node:path';
import { expect, test } from 'vitest';
import { troubleOf } from '../../src/trouble.ts';
import { ROOT } from '../rig/places.ts';
import { failures } from './connection-failures.ts';
import { startServers } from './servers.ts';

const PAGE = path.join(ROOT, 'docs/connection.md');
const MARKS = /(<!-- failures -->\n).*(<!-- \/failures -->)/s;

/** What each failure says is what the page says that it says; `-u` writes it there. */
test('docs/connection.md has the message of every failure, word for word', async () => {
  await using servers = startServers();
  const parts: string[] = [];
  for (const [heading, cases] of Object.entries(failures(servers))) {
    const rows: string[] = [];
    for (const { what, fails } of cases) {
      rows.push(row([what, ...(await shown(fails, servers.home))]));
      await servers.end();
    }
    parts.push(
      `### ${heading}`,
      '',
      row(['What is wrong', 'Message', 'What to do']),
      row(['---', '---', '---']),
      ...rows,
      '',
    );
  }
  const page = readFileSync(PAGE, 'utf8');
  expect(page).toMatch(MARKS);
  const table = parts.join('\n');
  await expect(page.replace(MARKS, (_, open, close) => `${open}\n${table}\n${close}`)).toMatchFileSnapshot(
    PAGE,
  );
});

/** Message and remedy, with what is of this run alone replaced. */
async function shown(fails: () => Promise<unknown>, home: string): Promise<[string, string]> {
  const trouble = await fails().then(
    () => {
      throw new Error('it did not fail');
    },
    (error: unknown) => troubleOf(error),
  );
  const general = (text: string): string =>
    text
      .replaceAll(home, '~')
      .replaceAll(`'${userInfo().username}'`, "'deploy'")
      .replace(/SHA256:[A-Za-z0-9+/]{43}/g, 'SHA256:…')
      .replace(/\bAAAA[A-Za-z0-9+/=]{20,}/g, 'AAAA…')
      .replace(/\[ADDRESS\]:\d+/g, 'ADDRESS')
      .replace(/[\d.]+ s \(connect-timeout\)/g, '30 s (connect-timeout)')
      .replace(/within 1 s\b/g, 'within 15 s')
      .replace(/\b\d{5}\b/g, '22')
      .replace(/^One input cannot be used:\n- /, '')
      .trim();
  expect(trouble.message).not.toContain('This should not happen');
  return [general(trouble.message), general(trouble.remedy ?? '')];
}

function row(cells: readonly string[]): string {
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|').replaceAll('<', '&lt;').replaceAll('\n', '<br>')).join(' | ')} |`;
}
