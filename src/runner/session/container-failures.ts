import { type Container, ENGINES, type Engine } from '../connection/container.ts';
import { showable } from '../connection/lines.ts';
import type { ChannelEnd } from '../connection/ssh.ts';
import { splitWord } from './event-lines.ts';
import { SessionError } from './session-error.ts';

const NOTHING_SENT = 'Neither the plan nor the program was sent.';
/** Names of other containers that a message has. */
const MOST_NAMES = 20;

/** Why there is no shell in the container: what the host answered instead, how the session ended, or that nothing came in time. */
export function notInside(
  host: string,
  container: Container,
  outcome: { refusal: string } | ChannelEnd | 'late',
  timeout: number,
  complaints: readonly string[],
): SessionError {
  const { name } = container;
  const engine = container.engine ?? 'docker';
  if (outcome === 'late')
    return new SessionError(
      `Container '${name}' on ${host} did not answer within ${timeout / 1000} s. ${NOTHING_SENT}`,
      `Check on the server that the engine answers: ${engine} ps. Then check that the container does: ${engine} exec ${name} true.`,
      complaints,
    );
  if ('refusal' in outcome) return refused(host, container, outcome.refusal);
  if (outcome.lost !== null)
    return new SessionError(
      `The connection to ${host} was lost (${outcome.lost}) before anything was sent there.`,
      'Run the job again. Nothing was changed on the host.',
      complaints,
    );
  const code = outcome.code === null ? (outcome.signal ?? 'no exit code') : `exit code ${outcome.code}`;
  // What engines and OCI runtimes say of a program that is not there.
  const hasNoShell = complaints.some((line) =>
    /"?sh"?: executable file not found|"?sh"?: no such file/i.test(line),
  );
  return hasNoShell
    ? new SessionError(
        `Container '${name}' on ${host} has no sh. ${NOTHING_SENT}`,
        'The host program needs sh, Node, PM2 and git in the container. Use an image that has them, such as node:24-slim with git.',
        complaints,
      )
    : new SessionError(
        `Nothing could be run in container '${name}' on ${host} (${code}). ${NOTHING_SENT}`,
        `Try it on the server, with the same user: ${engine} exec ${name} sh -c 'echo works'. What the engine said is below.`,
        complaints,
      );
}

function refused(host: string, { name, engine }: Container, answer: string): SessionError {
  const [word, rest] = splitWord(answer);
  const [first, more] = splitWord(rest);
  switch (word) {
    case 'no-engine':
      return new SessionError(
        `There is no ${engine ?? ENGINES.join(' and no ')} on ${host}, so container '${name}' cannot be entered. PATH, /usr/local/bin and /snap/bin were searched.`,
        'Install it on the server, or leave container out if PM2 runs on the server itself.',
      );
    case 'stopped':
      return new SessionError(
        `Container '${name}' on ${host} does not run. Its status is ${showable(more)}.`,
        remedyForStatus(more, engineIn(first), name),
      );
    case 'refused':
      return new SessionError(
        `${engineIn(first)} on ${host} refused to work, so container '${name}' cannot be entered.`,
        remedyForRefusal(more, engineIn(first)),
        [showable(more)],
      );
    case 'absent':
      return absent(host, name, listed(first).map(engineIn), more);
    default:
      return new SessionError(`${host} gave an unknown answer: ${showable(answer)}`, null);
  }
}

/** `answer` has the names of running containers, and then what another engine said that could not be asked. */
function absent(host: string, name: string, asked: Engine[], answer: string): SessionError {
  const [names, rest] = splitWord(answer);
  const [other, said] = splitWord(rest);
  const running = listed(names).map(showable);
  const left = running.length - MOST_NAMES;
  const list = `${running.slice(0, MOST_NAMES).join(', ')}${left > 0 ? ` and ${left} more` : ''}`;
  const unasked = other === '' ? '' : ` ${engineIn(other)} refused to work.`;
  return new SessionError(
    `There is no container '${name}' on ${host} (asked: ${asked.join(', ')}). ${running.length === 0 ? 'No container runs there that this user can see.' : `These run: ${list}.`}${unasked}`,
    other === ''
      ? `Set container to a name that '${asked[0]} ps' shows. A container of podman or of rootless docker is seen only by the user who started it: set username to that user.`
      : `Set container to one of these. If it runs in ${engineIn(other)}: ${remedyForRefusal(said, engineIn(other))}`,
    other === '' ? [] : [showable(said)],
  );
}

function engineIn(text: string): Engine {
  return ENGINES.find((known) => known === text) ?? 'docker';
}

function listed(text: string): string[] {
  return text.split(',').filter((one) => one !== '');
}

function remedyForStatus(status: string, engine: Engine, name: string): string {
  switch (status) {
    case 'paused':
      return `Run this on the server, and the job again: ${engine} unpause ${name}`;
    case 'restarting':
      return `It ends again and again. See why on the server: ${engine} logs --tail 50 ${name}`;
    default:
      return `Run this on the server, and the job again: ${engine} start ${name}. If it ends at once, see why: ${engine} logs --tail 50 ${name}`;
  }
}

function remedyForRefusal(said: string, engine: Engine): string {
  if (/permission denied|got permission|access denied/i.test(said))
    return `The login user may not use ${engine}. Log in as a user who may, or add this one to the group docker: sudo usermod -aG docker USER. Members of that group can become root on the server. The action runs no sudo. Rootless docker or podman needs no group.`;
  if (/cannot connect|is the docker daemon running|connection refused/i.test(said))
    return `Start it on the server: sudo systemctl start ${engine}. For rootless docker, let the login user's sessions have DOCKER_HOST, or run 'docker context use rootless' as that user.`;
  return `Run '${engine} ps' on the server as the login user, and mend what it says.`;
}
