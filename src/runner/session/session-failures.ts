import { STATES, type State } from '../../protocol.ts';
import { showable } from '../connection/lines.ts';
import type { ChannelEnd } from '../connection/ssh.ts';
import { OLDEST_NODE } from './find-node.ts';
import { SessionError } from './session-error.ts';

/** How long the host may take to find its Node and start the program, in milliseconds. */
export const START_TIMEOUT = 120_000;

const FINISHES_ALONE =
  'If nothing was changed yet, the host gives the deploy up by itself. From activating on it finishes the deploy alone, verified or rolled back.';

export interface Answer {
  label: string;
  word: string;
  rest: string;
  state: State | null;
  complaints: string[];
  /** Whether it answers to a session that was to take up a deploy, which may go on then whatever is wrong here. */
  rejoins: boolean;
}

/** Lines of its log that the host program sends; more are none of ours. */
const MOST_LINES = 20;

/** What the host's answer `word` means, where it is neither `started` nor `event`. */
export function notStarted({ label, word, rest, state, complaints, rejoins }: Answer): SessionError {
  const remedy = `Install Node ${OLDEST_NODE} or newer on ${label}, or set shell-init to commands that put Node on PATH, such as: export PATH=/opt/node/bin:$PATH`;
  switch (word) {
    case 'no-node':
      return new SessionError(
        `No Node was found on ${label}. Looked in: ${showable(rest)}.`,
        remedy,
        complaints,
        rejoins,
      );
    case 'old-node': {
      const found = /^(.*) (v\S+)$/.exec(rest);
      return new SessionError(
        `Node on ${label} is too old: ${showable(found?.[1] ?? '')} is ${showable(found?.[2] ?? rest)}, and ${OLDEST_NODE} or newer is needed.`,
        remedy,
        complaints,
        rejoins,
      );
    }
    case 'init-ended':
      return new SessionError(
        `shell-init ended the shell on ${label} (exit code ${showable(rest)}). It runs in POSIX sh.`,
        'Remove exit from shell-init, and whatever only bash knows. Its messages are below.',
        complaints,
        rejoins,
      );
    case 'bad-options':
      return new SessionError(
        `Node on ${label} does not start with the NODE_OPTIONS that are set there${rest === '' ? '' : `: ${showable(rest)}`}.`,
        'Correct NODE_OPTIONS in shell-init, or in the start-up file of the login shell that sets it. A file that it names needs its full path.',
        complaints,
        rejoins,
      );
    case 'failed': {
      const why = showable(parseTexts(rest)[0] ?? '');
      return new SessionError(
        `The host program could not be ${rejoins ? 'followed' : 'started'} on ${label}: ${why}`,
        remedyFor(why),
        complaints,
        rejoins,
      );
    }
    case 'refused': {
      const [message = '', remedy = '', ...output] = parseTexts(rest).map(showable);
      return new SessionError(
        `${label} did not take the upload: ${message} Nothing was changed there.`,
        remedy === '' ? null : remedy,
        [...output, ...complaints],
      );
    }
    case 'gone': {
      return new SessionError(
        `The host program on ${label} ended without a result, ${since(state)}. It was started once more to end its work, and ended without a result again. The next deploy finishes that work first.`,
        `Run the job again. If it ends like this again, check whether ${label} runs out of memory (dmesg, journalctl -k).`,
        parseTexts(rest).map(showable),
      );
    }
    default:
      return new SessionError(`${label} gave an unknown answer: ${showable(word)}`, null, complaints, true);
  }
}

/** What to do where the program could not be written down, by the system's word for it. */
function remedyFor(why: string): string | null {
  if (/\b(?:ENOSPC|EDQUOT)\b/.test(why))
    return 'The disk is full. See df -h and df -i there, and free some space.';
  if (/\bEROFS\b/.test(why)) return 'The disk is mounted read-only, usually after an error. See dmesg there.';
  if (/\b(?:EACCES|EPERM|ENOENT|ENOTDIR)\b/.test(why))
    return 'Check that the home directory of the user exists and belongs to that user: ls -ld ~. The action keeps its files below ~/.local/state, or $XDG_STATE_HOME.';
  return null;
}

export function neverStarted(label: string, complaints: string[]): SessionError {
  return new SessionError(
    `${label} did not find Node within ${START_TIMEOUT / 1000} s.`,
    'Check that shell-init ends by itself, and that the disk of the host responds.',
    complaints,
    true,
  );
}

/** How a session ended that was lost, as a sentence. */
export function howLost(label: string, end: ChannelEnd, state: State | null): string {
  return end.lost === null
    ? `The session on ${label} ended (${end.code === null ? (end.signal ?? 'no exit code') : `exit code ${end.code}`}), ${since(state)}, without a result.`
    : `The connection to ${label} was lost (${end.lost}), ${since(state)}.`;
}

/** The deploy cannot be followed any more; `how` is a sentence. */
export function lost(how: string, deployId: string, complaints: string[]): SessionError {
  return new SessionError(
    `${how} ${FINISHES_ALONE}`,
    `Run the job again. It waits for what still runs, sees how that ended, and goes on from there. ${lookAtEvents(deployId)}`,
    complaints,
    true,
  );
}

/** The session ended before the host had all of an upload. */
export function notSent(label: string, end: ChannelEnd, complaints: string[]): SessionError {
  const how =
    end.lost === null
      ? `The session on ${label} ended (${end.code === null ? (end.signal ?? 'no exit code') : `exit code ${end.code}`})`
      : `The connection to ${label} was lost (${end.lost})`;
  return new SessionError(
    `${how} while the files were sent. Nothing was changed there.`,
    'Run the job again. It sends the files anew.',
    complaints,
  );
}

/** The host has not begun the deploy, and never will. */
export function neverBegan(label: string): SessionError {
  return new SessionError(
    `The connection to ${label} was lost before the deploy began there. Nothing was changed, and it will not start.`,
    'Run the job again.',
  );
}

/** Cancelled while the files of an upload were sent. */
export function cancelledInUpload(label: string): SessionError {
  return new SessionError(
    `The job was cancelled while the files were sent to ${label}. Nothing was changed there.`,
    null,
  );
}

/** Cancelled before the host knew of the deploy. */
export function cancelledBefore(label: string): SessionError {
  return new SessionError(
    `The job was cancelled before anything was sent to ${label}. Nothing was changed there.`,
    null,
  );
}

/** Cancelled, and the host has not come to its end in time; `seconds` it was waited for. */
export function cancelledUnanswered(
  label: string,
  deployId: string,
  state: State | null,
  seconds: number,
): SessionError {
  return new SessionError(
    `The job was cancelled, and the deploy on ${label} did not end within ${seconds} s. ${standing(label, state)}`,
    `The post step of this action reports how the deploy ends. ${lookAtEvents(deployId)}`,
    [],
    true,
  );
}

/** The host has not come to its end in all the time that there was to follow it, which were `seconds`. */
export function stillAtWork(
  label: string,
  deployId: string,
  state: State | null,
  seconds: number,
): SessionError {
  return new SessionError(
    `The deploy on ${label} did not end within ${seconds} s. ${standing(label, state)}`,
    lookAtEvents(deployId),
    [],
    true,
  );
}

/** Where a host stands that is left to itself. */
function standing(label: string, state: State | null): string {
  if (state === null || STATES.indexOf(state) < STATES.indexOf('activating'))
    return `The last news came ${since(state)}, when nothing was changed. ${FINISHES_ALONE}`;
  return `It had entered ${state}. From activating on ${label} goes on alone, and ends verified or rolled back.`;
}

/** Where to see how a deploy went that is not followed to its end. */
export function lookAtEvents(deployId: string): string {
  return `On the host, the events of the deploy are in pm2-ssh-deploy/runs/${deployId}/events.ndjson below ~/.local/state (or $XDG_STATE_HOME).`;
}

function since(state: State | null): string {
  return state === null ? 'before its first step' : `after it had entered ${state}`;
}

/** A text or a list of texts, as JSON; of a list the last ones. What is neither stands as it came. */
function parseTexts(json: string): string[] {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    value = json;
  }
  const texts = Array.isArray(value) ? value.slice(-MOST_LINES) : [value];
  return texts.map((one) => (typeof one === 'string' ? one : JSON.stringify(one)));
}

/** A line that carries the nonce, and is not as it was sent. */
export function damaged(label: string, text: string): SessionError {
  return new SessionError(
    `The report from ${label} arrived damaged: something else prints into the session. ${FINISHES_ALONE}`,
    'Look for a background job in the start-up files of the login shell, and make it print nothing.',
    [showable(text)],
    true,
  );
}

/** The host program has said what it never says; `what` is a sentence without its full stop. */
export function unbelievable(label: string, what: string): SessionError {
  return new SessionError(
    `${label} reported something that cannot be true: ${what}. It is not known how the deploy ended.`,
    `Run the job again with mode: status. If that says the same, somebody else may control ${label}.`,
    [],
    true,
  );
}
