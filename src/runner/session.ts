import {
  type Control,
  type Event,
  HEARTBEAT_EVERY,
  type HostResult,
  type Opening,
  type Plan,
  STATES,
  type State,
} from '../protocol.ts';
import { BOOTSTRAP_TIMEOUT, type HostShell, openShell } from './bootstrap.ts';
import { FIND_NODE } from './find-node.ts';
import { damaged, lost, neverStarted, notStarted, START_TIMEOUT } from './session-failures.ts';
import type { Connection } from './ssh.ts';

export interface SessionOptions {
  connection: Connection;
  /** Source text of the host program. */
  program: string;
  plan: Plan;
  /** Shell commands of the user's that make Node findable. */
  shellInit: string | null;
  /** Milliseconds that the host may take to answer the bootstrap. */
  bootstrapTimeout?: number;
  onEvent(event: Event): void;
}

/**
 * Carries out one deploy on one host, and follows it to its end.
 * Throws a `SessionError` where it does not begin, or cannot be followed to its end.
 */
export async function deployOnHost(options: SessionOptions): Promise<HostResult> {
  const { connection, program, plan } = options;
  const shell = await openShell(connection, options.bootstrapTimeout ?? BOOTSTRAP_TIMEOUT);
  const say = (message: Control): void => shell.send(`${JSON.stringify(message)}\n`);
  const heartbeat = setInterval(() => say({ type: 'heartbeat' }), HEARTBEAT_EVERY);
  try {
    const followed = follow(shell, connection.label, (event) => {
      options.onEvent(event);
      if (event.type === 'state' && event.state === 'prepared') say({ type: 'go' });
    });
    const opening: Opening = { program, plan };
    // All at once: nothing in it waits for an answer.
    shell.send(`${script(shell.nonce, options.shellInit)}${JSON.stringify(opening)}\n`);
    return await followed;
  } finally {
    clearInterval(heartbeat);
    shell.finish();
  }
}

/** The script that finds Node, and what it reads itself: shell-init. Each ends with a line that is the nonce. */
function script(nonce: string, shellInit: string | null): string {
  const init = (shellInit ?? '').replace(/\r\n?/g, '\n').trimEnd();
  return `${FIND_NODE}${nonce}\n${init === '' ? '' : `${init}\n`}${nonce}\n`;
}

function follow(shell: HostShell, label: string, onEvent: (event: Event) => void): Promise<HostResult> {
  return new Promise((resolve, reject) => {
    let state: State | null = null;
    const fail = (error: unknown): void => {
      clearTimeout(starting);
      shell.listen(() => {});
      reject(error);
    };
    const starting = setTimeout(() => fail(neverStarted(label, shell.complaints())), START_TIMEOUT);
    const position = { offset: 0 };
    const prefix = `${shell.nonce} `;
    shell.listen((line) => {
      if (!line.startsWith(prefix)) return;
      try {
        const [word, rest] = split(line.slice(prefix.length));
        clearTimeout(starting);
        if (word === 'started') return;
        if (word !== 'event') throw notStarted(label, word, rest, state, shell.complaints());
        const event = readEvent(rest, position, label);
        if (event === null) return;
        if (event.type === 'state') state = event.state;
        onEvent(event);
        if (event.type === 'end') {
          shell.listen(() => {});
          resolve(event.result);
        }
      } catch (error) {
        fail(error);
      }
    });
    void shell.ended.then((end) => fail(lost(label, end, state, shell.complaints())));
  });
}

/** Reads `<end offset> <json>`; null for an event of a type that is not known here. */
function readEvent(text: string, position: { offset: number }, label: string): Event | null {
  const [offset, json] = split(text);
  const end = Number(offset);
  // Events lie behind one another in a file: where an offset does not fit, one of them did not get through.
  const whole = Number.isSafeInteger(end) && end === position.offset + Buffer.byteLength(json) + 1;
  const event = whole ? parse(json) : null;
  if (event === null) throw damaged(label, text);
  position.offset = end;
  return isEvent(event) ? event : null;
}

function isEvent(event: Record<string, unknown>): event is Event & Record<string, unknown> {
  switch (event.type) {
    case 'state':
      return STATES.includes(event.state as State);
    case 'notice':
    case 'output':
      return typeof event.text === 'string';
    case 'end': {
      const result = event.result as Partial<HostResult> | null | undefined;
      return typeof result === 'object' && result !== null && typeof result.outcome === 'string';
    }
    default:
      return false;
  }
}

function parse(json: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(json);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}

function split(text: string): [first: string, rest: string] {
  const at = text.indexOf(' ');
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
}
