import { STATES, type State } from '../../protocol.ts';
import { showable } from '../connection/lines.ts';
import type { ChannelEnd } from '../connection/ssh.ts';
import { OLDEST_NODE } from './find-node.ts';
import { SessionError } from './session-error.ts';

/** How long the host may take to find its Node and start the program, in milliseconds. */
export const START_TIMEOUT = 120_000;

const FINISHES_ALONE =
  'The host gives the deploy up by itself where nothing was changed yet; from activating on it finishes it alone, verified or rolled back.';

export interface Answer {
  label: string;
  word: string;
  rest: string;
  state: State | null;
  complaints: string[];
  /** Whether it answers to a session that was to take up a deploy, which may go on then whatever is wrong here. */
  rejoins: boolean;
}

/** What the host's answer `word` means, where it is neither `started` nor `event`. */
export function notStarted({ label, word, rest, state, complaints, rejoins }: Answer): SessionError {
  const remedy = `Install Node ${OLDEST_NODE} or newer on ${label}, or set shell-init to the commands that put it on PATH, such as: export PATH=/opt/node/bin:$PATH`;
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
        'Take exit out of shell-init, and what only bash knows. Its messages are shown below.',
        complaints,
        rejoins,
      );
    case 'failed': {
      const why = showable(String(parseText(rest)));
      return new SessionError(
        `The host program could not be ${rejoins ? 'followed' : 'started'} on ${label}: ${why}`,
        remedyFor(why),
        complaints,
        rejoins,
      );
    }
    case 'gone': {
      const lines = parseText(rest);
      return new SessionError(
        `The host program on ${label} ended without a result, ${since(state)}, and so did the one that was to end what it left. Another deploy looks at that, and ends it.`,
        `Run the job again. If it ends like that once more, look at the memory of ${label} (dmesg, journalctl -k).`,
        Array.isArray(lines) ? lines.map((line) => showable(String(line))) : [],
      );
    }
    default:
      return new SessionError(
        `${label} answered with something unknown: ${showable(word)}`,
        null,
        complaints,
        true,
      );
  }
}

/** What to do where the program could not be written down, by the system's word for it. */
function remedyFor(why: string): string | null {
  if (/\b(?:ENOSPC|EDQUOT)\b/.test(why))
    return 'The disk is full: see df -h and df -i there, and free some space.';
  if (/\bEROFS\b/.test(why))
    return 'The disk is mounted read-only, mostly after an error: look at dmesg there.';
  if (/\b(?:EACCES|EPERM|ENOENT|ENOTDIR)\b/.test(why))
    return 'Check that the home of the user exists and is his own: ls -ld ~ there. What the action keeps goes below ~/.local/state, or $XDG_STATE_HOME.';
  return null;
}

export function neverStarted(label: string, complaints: string[]): SessionError {
  return new SessionError(
    `${label} did not find its Node within ${START_TIMEOUT / 1000} s.`,
    'Check that shell-init ends by itself, and that the disk of the host answers.',
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
    `Run the job again: it waits for what still runs, looks at how it ended, and goes on from there. ${lookAtEvents(deployId)}`,
    complaints,
    true,
  );
}

/** The host has not begun the deploy, and never will. */
export function neverBegan(label: string): SessionError {
  return new SessionError(
    `The connection to ${label} was lost before the deploy began there. Nothing was changed, and it will not start.`,
    'Run the job again.',
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
    `The job was cancelled, and ${label} did not come to an end within ${seconds} s. ${standing(label, state)}`,
    `The post step of this action reports how it ends. ${lookAtEvents(deployId)}`,
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
    `${label} did not come to an end within ${seconds} s. ${standing(label, state)}`,
    lookAtEvents(deployId),
    [],
    true,
  );
}

/** Where a host stands that is left to itself. */
function standing(label: string, state: State | null): string {
  if (state === null || STATES.indexOf(state) < STATES.indexOf('activating'))
    return `When last heard of, ${since(state)}, nothing was changed. ${FINISHES_ALONE}`;
  return `It had entered ${state}: from activating on ${label} goes on alone, and ends verified or rolled back.`;
}

/** Where to see how a deploy went that is not followed to its end. */
export function lookAtEvents(deployId: string): string {
  return `On the host, its events are in pm2-ssh-deploy/runs/${deployId}/events.ndjson below ~/.local/state (or $XDG_STATE_HOME).`;
}

function since(state: State | null): string {
  return state === null ? 'before its first step' : `after it had entered ${state}`;
}

function parseText(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return json;
  }
}

/** A line that carries the nonce, and is not as it was sent. */
export function damaged(label: string, text: string): SessionError {
  return new SessionError(
    `What ${label} reports of the deploy came through damaged: something else prints into the session. ${FINISHES_ALONE}`,
    'Look for a background job in the start-up files of the login shell, and silence it.',
    [showable(text)],
    true,
  );
}

/** The host program has said what it never says; `what` is a sentence without its full stop. */
export function unbelievable(label: string, what: string): SessionError {
  return new SessionError(
    `${label} reported what cannot be true: ${what}. How the deploy ended is not known.`,
    `Run the job again with mode: status. If that says the same, somebody else may control ${label}.`,
    [],
    true,
  );
}
