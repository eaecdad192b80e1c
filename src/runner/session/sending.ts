import type { Plan } from '../../protocol.ts';
import type { Bundle, UploadObject } from '../upload/bundle.ts';
import { counted, megabytes } from '../upload/gather.ts';
import { packOf } from '../upload/pack.ts';
import type { HostShell } from './bootstrap.ts';
import { splitWord } from './event-lines.ts';
import type { CourseOptions } from './following.ts';
import { openingLine } from './opening-line.ts';
import { neverStarted, notSent, notStarted, START_TIMEOUT, unbelievable } from './session-failures.ts';

export interface SendOptions extends Pick<CourseOptions, 'label' | 'log'> {
  bundle: Bundle;
}

/** Milliseconds. */
const TELL_EVERY = 5_000;

/** Has a host get ready for an upload. Nothing of it need be known yet. */
export function announceUpload(shell: HostShell, program: string, { deployId, path }: Plan): void {
  for (const part of openingLine({ program, deliver: { deployId, path } })) shell.send(part);
}

/**
 * Sends a host what it lacks of an upload that was announced. The host keeps it for the deploy of that id, which begins in the same session; nothing
 * of the app is touched. Throws a `SessionError`, or an `UploadError` if a file changes meanwhile.
 */
export async function sendUpload(shell: HostShell, options: SendOptions): Promise<void> {
  const started = performance.now();
  const sent = await converse(shell, options);
  const took = ((performance.now() - started) / 1000).toFixed(1);
  options.log.say(`${sent} ${took} s.`);
}

/** Two answers, however much there is to send: what the host lacks, and that it has it. */
async function converse(shell: HostShell, { label, bundle, log }: SendOptions): Promise<string> {
  const { objects } = bundle;
  const list = Buffer.from(objects.map(({ id, size }) => `${id} ${size}\n`).join(''));
  const answers = answersOf(shell, label);
  for (const part of [lengthOf(list), list, END]) shell.send(part);
  const lacking = lackingOf(objects, await inTime(answers('lacks'), shell, label), label);
  const size = lacking.reduce((sum, object) => sum + object.size, 0);
  if (lacking.length > 0) {
    log.say(
      `Sending ${counted(lacking.length, 'object')} to ${label}, ${megabytes(size)} before compression.`,
    );
    const tell = (bytes: number): void => log.say(`${megabytes(bytes)} sent.`);
    await shell.pour(inFrames(withProgress(packOf(lacking), tell)));
  }
  await answers('received');
  return `${label} has the upload: ${lacking.length} of ${counted(objects.length, 'object')} sent,`;
}

/** As the host knows where they end: each with its length before it, and a last one of none. */
async function* inFrames(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  for await (const chunk of chunks) {
    yield lengthOf(chunk);
    yield chunk;
  }
  yield END;
}

function lengthOf({ length }: Buffer): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(length);
  return bytes;
}

const END = Buffer.alloc(4);

/** Passes on what goes by, and tells every few seconds how much it was. */
async function* withProgress(
  chunks: AsyncIterable<Buffer>,
  tell: (bytes: number) => void,
): AsyncGenerator<Buffer> {
  let bytes = 0;
  let told = performance.now();
  for await (const chunk of chunks) {
    yield chunk;
    bytes += chunk.length;
    if (performance.now() - told < TELL_EVERY) continue;
    told = performance.now();
    tell(bytes);
  }
}

/** Waits for an answer of the host. Throws a `SessionError` if it gives another, or the session ends before. */
type Answers = (word: 'lacks' | 'received') => Promise<string>;

function answersOf(shell: HostShell, label: string): Answers {
  const said: string[] = [];
  let wake = (): void => {};
  const prefix = `${shell.nonce} `;
  shell.listen((line) => {
    if (!line.startsWith(prefix)) return;
    said.push(line.slice(prefix.length));
    wake();
  });
  const over = shell.ended.then((end): never => {
    throw notSent(label, end, shell.complaints());
  });
  // Whoever waits for an answer hears of it.
  over.catch(() => {});
  const heard = async (): Promise<string> => {
    if (said.length === 0)
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    return said.shift() ?? '';
  };
  return async (word) => {
    // What was said before the end comes first.
    const [given, rest] = splitWord(await Promise.race([heard(), over]));
    if (given === word) return rest;
    const complaints = shell.complaints();
    throw notStarted({ label: shell.place, word: given, rest, state: null, complaints, rejoins: false });
  };
}

/** Throws a `SessionError` unless the work ends within `START_TIMEOUT`. */
async function inTime<T>(work: Promise<T>, shell: HostShell, label: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(neverStarted(label, shell.complaints())), START_TIMEOUT);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** The host's answer has one bit for each object, set where it lacks it. */
function lackingOf(objects: readonly UploadObject[], answer: string, label: string): UploadObject[] {
  const bits = Buffer.from(answer, 'base64');
  if (bits.length !== Math.ceil(objects.length / 8))
    throw unbelievable(label, 'its list of missing files has another length than ours');
  return objects.filter((_, index) => ((bits[index >> 3] ?? 0) & (1 << (index & 7))) !== 0);
}
