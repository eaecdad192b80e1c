import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { releaseNotes } from '../../scripts/release-notes.mjs';
import { VERSION, versionLine } from '../../src/report/version.ts';
import { ROOT } from '../rig/places.ts';

const read = (file: string): string => readFileSync(path.join(ROOT, file), 'utf8');

test('the version in log and summary is that of package.json', () => {
  expect(VERSION).toBe(JSON.parse(read('package.json')).version);
  expect(versionLine({})).toBe(`PM2 SSH Deploy ${VERSION}`);
  expect(versionLine({ GITHUB_ACTION_REF: 'v1' })).toBe(`PM2 SSH Deploy ${VERSION} (v1)`);
});

test('action.yml has what the Marketplace asks for', () => {
  const { name, description, branding } = parse(read('action.yml')) as Record<string, string | object>;
  expect(name).toBe('PM2 SSH Deploy');
  // It takes no longer one.
  expect(String(description).length).toBeLessThan(125);
  expect(branding).toEqual({ icon: 'upload-cloud', color: 'blue' });
});

const CHANGELOG =
  '# Changelog\n\n## [Unreleased]\n\n## [1.2.0] - 2026-01-02\n\n### Added\n\n- A\n\n## [1.1.0]\n\n- B\n';

test('the notes of a release are its section of the changelog', () => {
  expect(releaseNotes('v1.2.0', '1.2.0', CHANGELOG)).toBe('### Added\n\n- A');
  expect(releaseNotes('v1.1.0', '1.1.0', CHANGELOG)).toBe('- B');
  expect(() => releaseNotes('v1.3.0', '1.3.0', CHANGELOG)).toThrow('says nothing of 1.3.0');
  expect(() => releaseNotes('v1.2.1', '1.2.0', CHANGELOG)).toThrow('package.json says 1.2.0');
});

test('the major tag moves to a newer version, and not back to a fix of an older one', () => {
  const directory = mkdtempSync(path.join(tmpdir(), 'release-'));
  const origin = path.join(directory, 'origin.git');
  const tree = path.join(directory, 'tree');
  const git = (...args: string[]): string =>
    execFileSync('git', args, { cwd: directory, encoding: 'utf8' }).trim();
  const inTree = (...args: string[]): string =>
    git('-C', tree, '-c', 'user.name=a', '-c', 'user.email=a@b.c', ...args);
  const commit = (tag: string): string => {
    inTree('commit', '-q', '--allow-empty', '-m', tag);
    inTree('tag', tag);
    return inTree('rev-parse', 'HEAD');
  };
  const { jobs } = parse(read('.github/workflows/release.yml')) as {
    jobs: { publish: { steps: { name?: string; run?: string }[] } };
  };
  const script = jobs.publish.steps.find(({ name }) => name === 'Move the major tag')?.run ?? '';
  // As the runner runs it.
  const release = (tag: string, sha: string): string =>
    execFileSync('bash', ['--noprofile', '--norc', '-eo', 'pipefail', '-c', script], {
      cwd: tree,
      encoding: 'utf8',
      env: { ...process.env, GITHUB_REF_NAME: tag, GITHUB_SHA: sha },
      stdio: 'pipe',
    });
  try {
    git('init', '-q', '--bare', origin);
    git('clone', '-q', origin, tree);
    const first = commit('v1.9.0');
    release('v1.9.0', first);
    expect(git('-C', origin, 'rev-parse', 'v1')).toBe(first);
    const second = commit('v1.10.0');
    release('v1.10.0', second);
    expect(git('-C', origin, 'rev-parse', 'v1')).toBe(second);
    expect(release('v1.9.1', commit('v1.9.1'))).toBe('v1.10.0 is newer, so v1 stays.\n');
    expect(git('-C', origin, 'rev-parse', 'v1')).toBe(second);
  } finally {
    rmSync(directory, { recursive: true });
  }
});
