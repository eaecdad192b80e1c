import path from 'node:path/posix';
import { parse } from 'yaml';
import { INPUT_NAMES } from '../../src/inputs/names.ts';

/** Texts of Markdown files by their path in the project, such as `docs/keys.md`. */
export type Pages = ReadonlyMap<string, string>;

/** What is wrong with the pages, one line each; empty if all rules hold. `exists` tells of other files in the project. */
export function faultsOf(pages: Pages, exists: (file: string) => boolean): string[] {
  return [...pages].flatMap(([file, text]) =>
    [...linkFaults(file, text, pages, exists), ...yamlFaults(text), ...scriptFaults(text)].map(
      (fault) => `${file}: ${fault}`,
    ),
  );
}

/** The code blocks of a page that are marked as this language, without the indent of the list they stand in. */
export function codeBlocks(text: string, language: string): string[] {
  const fence = new RegExp(`^( *)\`\`\`${language}\\n(.*?)^ *\`\`\`$`, 'gms');
  return [...text.matchAll(fence)].map(([, indent = '', code = '']) =>
    code.replace(new RegExp(`^${indent}`, 'gm'), ''),
  );
}

function linkFaults(file: string, text: string, pages: Pages, exists: (file: string) => boolean): string[] {
  const links = withoutCode(text).matchAll(/\]\((?![a-z]+:)([^)#\s]*)(?:#([^)\s]+))?\)/g);
  return [...links].flatMap(([link, to = '', anchor]) => {
    const target = to === '' ? file : path.join(path.dirname(file), to);
    const page = pages.get(target);
    if (page === undefined && !exists(target)) return `${link} leads to no file`;
    return anchor === undefined || (page !== undefined && anchorsOf(page).has(anchor))
      ? []
      : `${link} leads to no heading of ${target}`;
  });
}

/** As GitHub makes them from the headings: a heading that comes again gets a number. */
function anchorsOf(text: string): Set<string> {
  const anchors = new Set<string>();
  for (const [, heading = ''] of withoutFences(text).matchAll(/^#{1,6} +(.+?) *$/gm)) {
    const slug = heading
      .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-');
    for (let number = 0; ; number++) {
      const anchor = number === 0 ? slug : `${slug}-${number}`;
      if (anchors.has(anchor)) continue;
      anchors.add(anchor);
      break;
    }
  }
  return anchors;
}

function withoutFences(text: string): string {
  return text.replace(/^( *)(`{3,}).*?^ *\2$/gms, '');
}

function withoutCode(text: string): string {
  return withoutFences(text).replace(/`[^`\n]*`/g, '');
}

interface Step {
  uses?: string;
  with?: Record<string, unknown> | null;
}

interface Permissions {
  permissions?: Record<string, string> | string | null;
}

type Job = Permissions & { steps?: Step[] };

function yamlFaults(text: string): string[] {
  return codeBlocks(text, 'ya?ml').flatMap((code) => {
    let value: unknown;
    try {
      value = parse(code);
    } catch (error) {
      return `a YAML block cannot be parsed: ${(error as Error).message}`;
    }
    return [...stepsIn(value).flatMap(inputFaults), ...permissionFaults(value)];
  });
}

/** The steps that use this action, wherever they stand in a block: in a workflow, or a step shown by itself. */
function stepsIn(value: unknown): Step[] {
  if (typeof value !== 'object' || value === null) return [];
  const within = Object.values(value).flatMap(stepsIn);
  return isOurs(value as Step) ? [value as Step, ...within] : within;
}

function isOurs({ uses }: Step): boolean {
  return typeof uses === 'string' && /\/pm2-ssh-deploy@/.test(uses);
}

function inputFaults(step: Step): string[] {
  const given = Object.keys(step.with ?? {});
  return [
    ...given
      .filter((name) => !(INPUT_NAMES as string[]).includes(name))
      .map((name) => `a step gives '${name}', which is no input`),
    ...['host', 'path']
      .filter((name) => !given.includes(name))
      .map((name) => `a step lacks '${name}', which is required`),
  ];
}

/** A job that may deploy or check reads a private repository with the workflow's token, so it needs `contents: read`. */
function permissionFaults(value: unknown): string[] {
  const workflow = (value ?? {}) as Permissions & { jobs?: Record<string, Job> };
  return Object.entries(workflow.jobs ?? {}).flatMap(([name, job]) => {
    const fetches = (job.steps ?? []).some((step) => isOurs(step) && step.with?.mode !== 'status');
    const { permissions } = job.permissions === undefined ? workflow : job;
    const allowed = typeof permissions === 'object' && permissions?.contents === 'read';
    return fetches && !allowed ? `job '${name}' may deploy or check, and has no 'contents: read'` : [];
  });
}

function scriptFaults(text: string): string[] {
  return codeBlocks(text, 'js').flatMap((code) => {
    try {
      new Function(code);
      return [];
    } catch (error) {
      return `a JavaScript block cannot be parsed: ${(error as Error).message}`;
    }
  });
}
