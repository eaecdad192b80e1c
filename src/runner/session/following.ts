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
import { requireAsked } from './asked-for.ts';
import type { HostShell } from './bootstrap.ts';
import { readEvent, splitWord } from './event-lines.ts';
import type { HostWords } from './host-words.ts';
import { openingLine } from './opening-line.ts';
import { neverStarted, notStarted, START_TIMEOUT } from './session-failures.ts';

/** Who hears of what happens on one host. */
export interface HostLog {
  /** Says a line of ours. */
  say(text: string): void;
  /** Says a warning of ours. */
  warn(text: string): void;
  event(event: Event): void;
}

export interface CourseOptions {
  label: string;
  plan: Plan;
  /** Shell commands of the user's that make Node findable. */
  shellInit: string | null;
  log: HostLog;
  /** Asked once, when the host is prepared: it goes on as soon as this resolves. Never rejects. */
  mayGo(): Promise<void>;
  /** What is said to the host beside that, by whoever decides about several. */
  words?: HostWords;
  /** Aborted where the deploy is to be given up; its reason is a text. */
  cancelled: AbortSignal;
}

/** A deploy as it is known here, over all sessions in which it is followed. */
export interface Course extends Readonly<CourseOptions> {
  /** Whether the host may know of it. */
  begun: boolean;
  /** Bytes of its events that were read. */
  offset: number;
  /** What it has entered last. */
  state: State | null;
  /** Resolves once the host may go on; null until it has asked. */
  decision: Promise<void> | null;
}

export function startCourse(options: CourseOptions, { begun }: Pick<Course, 'begun'>): Course {
  const { label, plan, shellInit, log, mayGo, words, cancelled } = options;
  const known = { begun, offset: 0, state: null, decision: null };
  return { label, plan, shellInit, log, mayGo, cancelled, ...known, ...(words && { words }) };
}

/** How one session ended. `absent`: the host has not begun that deploy, and never will. */
export type FollowEnd =
  | { kind: 'result'; result: HostResult }
  | { kind: 'absent' }
  | { kind: 'lost'; end: ChannelEnd; complaints: string[] };

/**
 * Begins a deploy, or takes up one that was begun in an earlier session, and follows it as long as the session lasts.
 * Throws a `SessionError` if the host says that it cannot go on.
 */
export async function follow(
  shell: HostShell,
  opening: Opening | Rejoining,
  course: Course,
): Promise<FollowEnd> {
  let isOver = false;
  const say: Say = (message) => {
    if (!isOver) shell.send(`${JSON.stringify(message)}\n`);
  };
  const leave = [keepLease(say), passOnCancel(course, say)];
  try {
    const followed = readLines(shell, course, 'follow' in opening, (event) => {
      if (event.type === 'state' && event.state === 'prepared') passOnGo(course, say);
    });
    course.begun = true;
    // All at once: nothing in it waits for an answer.
    for (const part of openingLine(opening)) shell.send(part);
    if ('follow' in opening) catchUp(course, say);
    if (course.words !== undefined) leave.push(course.words.hear(say));
    return await followed;
  } finally {
    isOver = true;
    for (const step of leave) step();
    shell.finish();
  }
}

type Say = (message: Control) => void;

/** Keeps the host from taking this runner for gone. The function that is returned ends it. */
function keepLease(say: Say): () => void {
  const heartbeat = setInterval(() => say({ type: 'heartbeat' }), HEARTBEAT_EVERY);
  return () => clearInterval(heartbeat);
}

function passOnCancel({ cancelled }: Course, say: Say): () => void {
  const sayCancel = (): void => say({ type: 'cancel', reason: String(cancelled.reason) });
  cancelled.addEventListener('abort', sayCancel);
  return () => cancelled.removeEventListener('abort', sayCancel);
}

/** Whether the host may go on is decided once; it is told in whichever session lasts until then. */
function passOnGo(course: Course, say: Say): void {
  course.decision ??= course.mayGo();
  void course.decision.then(() => {
    if (!course.cancelled.aborted) say({ type: 'go' });
  });
}

/** What was said in an earlier session, and may not have arrived there. Each may be heard twice. */
function catchUp(course: Course, say: Say): void {
  const { cancelled, state } = course;
  if (cancelled.aborted) say({ type: 'cancel', reason: String(cancelled.reason) });
  say({ type: 'heartbeat' });
  if (state === 'prepared') passOnGo(course, say);
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
      () => settle(() => reject(neverStarted(shell.place, shell.complaints()))),
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
        throw notStarted({
          label: shell.place,
          word,
          rest,
          state: course.state,
          complaints: shell.complaints(),
          rejoins,
        });
      const { event, end } = readEvent(rest, course.offset, label);
      course.offset = end;
      if (event.type === 'state') course.state = event.state;
      course.log.event(event);
      onEvent(event);
      if (event.type !== 'end') return;
      requireAsked(event.result, course);
      settle(() => resolve({ kind: 'result', result: event.result }));
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
