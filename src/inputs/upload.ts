import type { Plan } from '../protocol.ts';
import type { Workflow } from '../workflow.ts';
import { BadValue, hasUnprintable } from './bad-value.ts';
import { defaultRef } from './default-ref.ts';
import { oneOf } from './settings.ts';
import { splitList } from './split-list.ts';

const SOURCES = ['git', 'upload'] as const;

/**
 * Reads `source`. If files are sent, it also finds the commit that they were built from: the one that this `workflow` run is about.
 */
export function parseSource(text: string, workflow: Workflow | null): Plan['source'] {
  if (oneOf(text, SOURCES) === 'git' || workflow === null) return { kind: 'git' };
  try {
    return { kind: 'upload', builtFrom: defaultRef(workflow) };
  } catch (error) {
    if (!(error instanceof BadValue)) throw error;
    throw new BadValue(
      error.message,
      '`upload` only in a run whose commit was chosen by this repository',
      'Upload in another workflow, such as one on push, or set `source` to git.',
    );
  }
}

/** Whether files of this job are read. A rollback, a status and a removal are about what the server has. */
export function sendsFiles(source: string, mode: string): boolean {
  return source === 'upload' && !['rollback', 'status', 'remove'].includes(mode);
}

/** Refuses an input that says which commit git is to fetch, beside an upload. */
export function refuseBesideUpload(given: string, isUpload: boolean, takes: string): void {
  if (given === '' || !isUpload) return;
  throw new BadValue(
    '`source` is upload, and nothing is fetched then',
    takes,
    'Leave it out, or set `source` to git.',
  );
}

/** Refuses an input that says what to send, where nothing is sent. */
export function refuseWithoutUpload(given: string, source: string, takes: string): void {
  if (given === '' || source === 'upload') return;
  throw new BadValue(
    '`source` is git, and nothing is sent then',
    takes,
    'Set `source` to upload, or leave it out.',
  );
}

const PATH_TAKES = 'a directory of the workspace';

/** Reads `upload-path`. Whether it is there is seen when it is read. */
export function parseUploadPath(text: string): string {
  if (hasUnprintable(text)) throw new BadValue('it holds an invisible character', PATH_TAKES);
  if (text.startsWith('~'))
    throw new BadValue('it begins with "~"', PATH_TAKES, 'Write it from the workspace on.');
  return text;
}

/** Reads `upload-exclude`: each pattern in its shortest form. */
export function parseUploadExclude(text: string): string[] {
  return splitList(text).map(parsePattern);
}

function parsePattern(text: string): string {
  const takes =
    'names such as `*.map`, and paths from `upload-path` on such as `docs/**/*.md`, separated by commas or line ends';
  if (hasUnprintable(text)) throw new BadValue('it holds an invisible character', takes);
  if (text.startsWith('!'))
    throw new BadValue('a pattern begins with "!"', takes, 'What is excluded cannot be taken back.');
  if (text.includes('\\')) throw new BadValue('a pattern holds a backslash', takes, 'Write / between names.');
  if (/[{}]/.test(text))
    throw new BadValue('a pattern has braces', takes, 'Write each pattern on a line of its own.');
  if (text.split('/').includes('..')) throw new BadValue('a pattern holds ".."', takes);
  const fromTop = text.startsWith('/') || text.startsWith('./');
  const names = text.split('/').filter((name) => name !== '' && name !== '.');
  if (names.length === 0 || names.every((name) => name === '*' || name === '**'))
    throw new BadValue('a pattern leaves out everything', takes);
  // One name of the top directory alone.
  return fromTop && names.length === 1 ? `/${names[0]}` : names.join('/');
}
