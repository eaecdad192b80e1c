import { randomBytes } from 'node:crypto';
import { appendFileSync } from 'node:fs';
import { EOL } from 'node:os';

// What `@actions/core` does, without the HTTP client that it brings: that one takes longer to load than all of ours.
// https://docs.github.com/actions/reference/workflow-commands-for-github-actions

/** Where an annotation is shown, and under which title. */
export interface Annotation {
  title?: string;
  file?: string;
  startLine?: number;
}

/** Prints a line of the log. */
export function info(line: string): void {
  process.stdout.write(line + EOL);
}

/** Has the runner hide the value in all that it shows. */
export function setSecret(value: string): void {
  issue('add-mask', {}, value);
}

export function warning(message: string, { title, file, startLine: line }: Annotation = {}): void {
  issue('warning', { title, file, line }, message);
}

export function error(message: string, { title, file, startLine: line }: Annotation = {}): void {
  issue('error', { title, file, line }, message);
}

/** Folds what is printed up to `endGroup`. */
export function startGroup(name: string): void {
  issue('group', {}, name);
}

export function endGroup(): void {
  issue('endgroup', {}, '');
}

/** Outside a workflow nobody takes outputs. Throws if the runner's file cannot be written. */
export function setOutput(name: string, value: string): void {
  addToFile(process.env.GITHUB_OUTPUT, entry(name, value));
}

/** For the action's `post`. Outside a workflow there is none. Throws if the runner's file cannot be written. */
export function saveState(name: string, value: string): void {
  addToFile(process.env.GITHUB_STATE, entry(name, value));
}

/** What `saveState` took in the action's `main`; empty if it took nothing. */
export function getState(name: string): string {
  return process.env[`STATE_${name}`] ?? '';
}

/** Adds to the job's summary. Outside a workflow there is none. Throws if the runner's file cannot be written. */
export function addToSummary(markdown: string): void {
  addToFile(process.env.GITHUB_STEP_SUMMARY, markdown);
}

function issue(
  command: string,
  properties: Readonly<Record<string, string | number | undefined>>,
  text: string,
): void {
  const given = Object.entries(properties)
    .filter(([, value]) => Boolean(value))
    .map(([name, value]) => `${name}=${inProperty(String(value))}`);
  info(`::${[command, given.join(',')].filter(Boolean).join(' ')}::${inLine(text)}`);
}

function inLine(text: string): string {
  return text.replace(/%/g, '%25').replace(/\r/g, '%0D').replace(/\n/g, '%0A');
}

function inProperty(text: string): string {
  return inLine(text).replace(/:/g, '%3A').replace(/,/g, '%2C');
}

/** Nobody can guess the delimiter, so no value can end its own entry. */
function entry(name: string, value: string): string {
  const delimiter = `ghadelimiter_${randomBytes(16).toString('hex')}`;
  return [`${name}<<${delimiter}`, value, delimiter, ''].join(EOL);
}

function addToFile(file: string | undefined, text: string): void {
  if (file) appendFileSync(file, text);
}
