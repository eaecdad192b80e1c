import {
  type Control,
  type Event,
  HEARTBEAT_EVERY,
  type HostResult,
  type Opening,
  type Plan,
  type Rejoining,
  type State,
} from '../../protocol.ts';
import type { ChannelEnd } from '../connection/ssh.ts';
import type { HostShell } from './bootstrap.ts';
import { readEvent, splitWord } from './event-lines.ts';
import { FIND_NODE } from './find-node.ts';
import { neverStarted, notStarted, START_TIMEOUT } from './session-failures.ts';

/** A deploy as it is known here, over all sessions in which it is followed. */
export interface Course {
  readonly label: string;
  readonly plan: Plan;
  readonly shellInit: string | null;
  /** Aborted where the deploy is to be given up; its reason is a text. */
  readonly cancelled: AbortSignal;
  onEvent(event: Event): void;
  /** Whether the host may know of it. */
  begun: boolean;
  /** Bytes of its events that were read. */
  offset: number;
  /** What it has entered last. */
  state: State | null;
}

/** How one session ended. `absent`: the host has not begun that deploy, and never will. */
export type FollowEnd =
  | { kind: 'result'; result: HostResult }
  | { kind: 'absent' }
  | { kind: 'lost'; end: ChannelEnd; complaints: string[] };

/**
 * Begins a deploy, or takes up one that was begun in an earlier session, and follows it as long as the session lasts.
 * Throws a `SessionError` where the host says that it cannot go on.
 */
export async function follow(
  shell: HostShell,
  opening: Opening | Rejoining,
  course: Course,
): Promise<FollowEnd> {
  const say = (message: Control): void => shell.send(`${JSON.stringify(message)}\n`);
  const sayCancel = (): void => say({ type: 'cancel', reason: String(course.cancelled.reason) });
  const heartbeat = setInterval(() => say({ type: 'heartbeat' }), HEARTBEAT_EVERY);
  try {
    const followed = readLines(shell, course, 'follow' in opening, (event) => {
      if (event.type === 'state' && event.state === 'prepared' && !course.cancelled.aborted)
        say({ type: 'go' });
    });
    course.begun = true;
    // All at once: nothing in it waits for an answer.
    shell.send(
      `${script(shell.nonce, course.shellInit)}${JSON.stringify(opening)}\n${caughtUp(opening, course)}`,
    );
    course.cancelled.addEventListener('abort', sayCancel);
    return await followed;
  } finally {
    clearInterval(heartbeat);
    course.cancelled.removeEventListener('abort', sayCancel);
    shell.finish();
  }
}

/** What was said in an earlier session, and may not have arrived there. Each may be heard twice. */
function caughtUp(opening: Opening | Rejoining, { cancelled, state }: Course): string {
  if (!('follow' in opening)) return '';
  const again: Control[] = [{ type: 'heartbeat' }];
  if (cancelled.aborted) again.unshift({ type: 'cancel', reason: String(cancelled.reason) });
  else if (state === 'prepared') again.push({ type: 'go' });
  return again.map((message) => `${JSON.stringify(message)}\n`).join('');
}

/** The script that finds Node, and what it reads itself: shell-init. Each ends with a line that is the nonce. */
function script(nonce: string, shellInit: string | null): string {
  const init = (shellInit ?? '').replace(/\r\n?/g, '\n').trimEnd();
  return `${FIND_NODE}${nonce}\n${init === '' ? '' : `${init}\n`}${nonce}\n`;
}

function readLines(
  shell: HostShell,
  course: Course,
  rejoins: boolean,
  onEvent: (event: Event) => void,
): Promise<FollowEnd> {
  const { label } = course;
  return new Promise((resolve, reject) => {
    const settle = (how: () => void): void => {
      clearTimeout(starting);
      shell.listen(() => {});
      how();
    };
    const starting = setTimeout(
      () => settle(() => reject(neverStarted(label, shell.complaints()))),
      START_TIMEOUT,
    );
    const prefix = `${shell.nonce} `;
    const take = (line: string): void => {
      const [word, rest] = splitWord(line);
      clearTimeout(starting);
      if (word === 'started' || word === 'joined') return;
      if (word === 'absent') {
        settle(() => resolve({ kind: 'absent' }));
        return;
      }
      if (word !== 'event')
        throw notStarted({ label, word, rest, state: course.state, complaints: shell.complaints(), rejoins });
      const { event, end } = readEvent(rest, course.offset, label);
      course.offset = end;
      if (event === null) return;
      if (event.type === 'state') course.state = event.state;
      course.onEvent(event);
      onEvent(event);
      if (event.type === 'end') settle(() => resolve({ kind: 'result', result: event.result }));
    };
    shell.listen((line) => {
      if (!line.startsWith(prefix)) return;
      try {
        take(line.slice(prefix.length));
      } catch (error) {
        settle(() => reject(error));
      }
    });
    void shell.ended.then((end) =>
      settle(() => resolve({ kind: 'lost', end, complaints: shell.complaints() })),
    );
  });
}
