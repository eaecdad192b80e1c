import type { State } from '../protocol.ts';
import { OLDEST_NODE } from './find-node.ts';
import { showable } from './lines.ts';
import { SessionError } from './session-error.ts';
import type { ChannelEnd } from './ssh.ts';

/** How long the host may take to find its Node and start the program, in milliseconds. */
export const START_TIMEOUT = 120_000;

const FINISHES_ALONE =
  'The host gives the deploy up by itself where nothing was changed yet; from activating on it finishes it alone, verified or rolled back.';

/** What the host's answer `word` means, where it is neither `started` nor `event`. */
export function notStarted(
  label: string,
  word: string,
  rest: string,
  state: State | null,
  complaints: string[],
): SessionError {
  const remedy = `Install Node ${OLDEST_NODE} or newer on ${label}, or set shell-init to the commands that put it on PATH, such as: export PATH=/opt/node/bin:$PATH`;
  switch (word) {
    case 'no-node':
      return new SessionError(
        `No Node was found on ${label}. Looked in: ${showable(rest)}.`,
        remedy,
        complaints,
      );
    case 'old-node': {
      const found = /^(.*) (v\S+)$/.exec(rest);
      return new SessionError(
        `Node on ${label} is too old: ${showable(found?.[1] ?? '')} is ${showable(found?.[2] ?? rest)}, and ${OLDEST_NODE} or newer is needed.`,
        remedy,
        complaints,
      );
    }
    case 'init-ended':
      return new SessionError(
        `shell-init ended the shell on ${label} (exit code ${showable(rest)}). It runs in POSIX sh.`,
        'Take exit out of shell-init, and what only bash knows. Its messages are shown below.',
        complaints,
      );
    case 'failed':
      return new SessionError(
        `The host program could not be started on ${label}: ${showable(String(parseText(rest)))}`,
        null,
        complaints,
      );
    case 'gone': {
      const lines = parseText(rest);
      return new SessionError(
        `The host program on ${label} ended without a result, ${since(state)}. Another deploy looks at what it left, and ends it.`,
        `Run the job again. If it ends like that once more, look at the memory of ${label} (dmesg, journalctl -k).`,
        Array.isArray(lines) ? lines.map((line) => showable(String(line))) : [],
      );
    }
    default:
      return new SessionError(
        `${label} answered with something unknown: ${showable(word)}`,
        null,
        complaints,
      );
  }
}

export function neverStarted(label: string, complaints: string[]): SessionError {
  return new SessionError(
    `${label} did not find its Node within ${START_TIMEOUT / 1000} s.`,
    'Check that shell-init ends by itself, and that the disk of the host answers.',
    complaints,
  );
}

export function lost(
  label: string,
  end: ChannelEnd,
  state: State | null,
  complaints: string[],
): SessionError {
  const how =
    end.lost === null
      ? `The session on ${label} ended (${end.code === null ? (end.signal ?? 'no exit code') : `exit code ${end.code}`}), ${since(state)}, without a result.`
      : `The connection to ${label} was lost (${end.lost}), ${since(state)}.`;
  return new SessionError(
    `${how} ${FINISHES_ALONE}`,
    'Run the job again: it waits for what still runs, looks at how it ended, and goes on from there.',
    complaints,
  );
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
  );
}
