import { randomBytes } from 'node:crypto';
import { lineReader, showable } from '../connection/lines.ts';
import type { Channel, ChannelEnd, Connection } from '../connection/ssh.ts';
import { noAnswer } from './no-answer.ts';

/** How long a host may take to answer the nonce, in milliseconds. */
export const BOOTSTRAP_TIMEOUT = 15_000;

const ANSWER = 'pm2-ssh-deploy-ready';
/** Lines and characters of what came instead of an answer that are kept. */
const SHOWN_LINES = 8;

/**
 * The one command that is ever run: constant, so that nothing can be put into it. It reads the nonce, answers with
 * it, reads a script up to a line that is the nonce again, and evaluates that one. Every common login shell takes it
 * as it is: it has no line end (tcsh), no backslash (fish), no `!` (csh's history), and does not begin with exec (rbash).
 */
export const BOOTSTRAP_SCRIPT =
  'read -r n || exit 1; ' +
  // In one write with the line end before it, so that no background job of a start-up file prints in between.
  `e=$(echo; echo x); e=\${e%x}; echo "\${e}${ANSWER} $n"; ` +
  's=; while IFS= read -r l; do ' +
  'if [ "$l" = "$n" ]; then eval "$s"; exit; fi; ' +
  's=$s$l$e; done; exit 1';

export const BOOTSTRAP_LINE = `sh -c '${BOOTSTRAP_SCRIPT}'`;

/** A shell on the host, or in a container there, that has proved to be the bootstrap, and takes a script. */
export interface HostShell {
  /** Where it runs, for messages. */
  place: string;
  nonce: string;
  /** Writes to the shell's stdin, as it is. */
  send(text: string | Buffer): void;
  /** Writes all of it to the shell's stdin, no faster than the host reads. Stops where the shell has ended. */
  pour(chunks: AsyncIterable<Buffer>): Promise<void>;
  /** Has `onLine` called with each further line of the shell's stdout. */
  listen(onLine: (line: string) => void): void;
  /** The last lines of the shell's stderr that may be shown. */
  complaints(): string[];
  ended: Promise<ChannelEnd>;
  /** Ends the shell's stdin. */
  finish(): void;
}

/**
 * Starts the bootstrap. Until it has answered, nothing but a random nonce is sent, since a start-up file or a forced
 * command may be what reads it. Throws a `SessionError`.
 */
export async function openHostShell(connection: Connection, timeout: number): Promise<HostShell> {
  const channel = await connection.exec(BOOTSTRAP_LINE);
  const nonce = randomBytes(16).toString('hex');
  const before: string[] = [];
  const complaints: string[] = [];
  let onLine = (line: string): void => keepFirst(before, line);
  let onComplaint = (line: string): void => keepFirst(before, line);
  channel.stdout.on(
    'data',
    lineReader((line) => onLine(line)),
  );
  channel.stderr.on(
    'data',
    lineReader((line) => onComplaint(line)),
  );

  const answered = new Promise<void>((resolve) => {
    onLine = (line) => {
      if (line === answerTo(nonce)) resolve();
      else keepFirst(before, line);
    };
  });
  channel.stdin.write(`${nonce}\n`);
  const outcome = await firstOf(
    answered.then(() => 'answered' as const),
    channel.ended,
    timeout,
  );
  if (outcome !== 'answered') {
    channel.stdin.end();
    throw noAnswer(connection.label, outcome, timeout, before);
  }
  onLine = () => {};
  onComplaint = (line) => keepLast(complaints, line);
  return {
    place: connection.label,
    nonce,
    send: (text) => {
      channel.stdin.write(text);
    },
    pour: (chunks) => pour(channel, chunks),
    listen: (listener) => {
      onLine = listener;
    },
    complaints: () => complaints,
    ended: channel.ended,
    finish: () => {
      channel.stdin.end();
    },
  };
}

async function pour({ stdin, ended }: Channel, chunks: AsyncIterable<Buffer>): Promise<void> {
  const work = async (): Promise<void> => {
    for await (const chunk of chunks) {
      if (stdin.write(chunk)) continue;
      await new Promise<void>((resolve) => {
        stdin.once('drain', resolve);
      });
    }
  };
  // One race for all of them: `ended` would keep every chunk that it was raced with.
  await Promise.race([work(), ended]);
}

/** The line with which a bootstrap that has read this nonce answers. */
export function answerTo(nonce: string): string {
  return `${ANSWER} ${nonce}`;
}

/** What comes first: the answer, the end of the session, or the end of so many milliseconds. */
export async function firstOf<T>(
  answered: Promise<T>,
  ended: Promise<ChannelEnd>,
  timeout: number,
): Promise<T | 'late' | ChannelEnd> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<'late'>((resolve) => {
    timer = setTimeout(() => resolve('late'), timeout);
  });
  try {
    return await Promise.race([answered, ended, late]);
  } finally {
    clearTimeout(timer);
  }
}

function keepFirst(lines: string[], line: string): void {
  const text = lines.length < SHOWN_LINES ? showable(line) : '';
  if (text !== '') lines.push(text);
}

function keepLast(lines: string[], line: string): void {
  const text = showable(line);
  if (text !== '') lines.push(text);
  if (lines.length > SHOWN_LINES) lines.shift();
}
