import { ProtocolError, parseEvent } from '../../event-parser.ts';
import type { Event } from '../../protocol.ts';
import { damaged, unbelievable } from './session-failures.ts';

/**
 * Reads what stands behind `event` in a host's line, `<end offset> <json>`, where `known` bytes of events were read
 * before. Throws a `SessionError` if the line does not follow on the one before, or is no event.
 */
export function readEvent(text: string, known: number, label: string): { event: Event; end: number } {
  const [offset, json] = splitWord(text);
  const end = Number(offset);
  // Events lie behind one another in a file: where an offset does not fit, one of them did not get through.
  if (!Number.isSafeInteger(end) || end !== known + Buffer.byteLength(json) + 1) throw damaged(label, text);
  try {
    return { event: parseEvent(JSON.parse(json)), end };
  } catch (error) {
    if (error instanceof ProtocolError) throw unbelievable(label, error.message);
    throw damaged(label, text);
  }
}

/** Cuts a text at its first blank. */
export function splitWord(text: string): [first: string, rest: string] {
  const at = text.indexOf(' ');
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
}
