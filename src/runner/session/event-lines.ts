import { type Event, type HostResult, STATES, type State } from '../../protocol.ts';
import { damaged } from './session-failures.ts';

/**
 * Reads what stands behind `event` in a host's line, `<end offset> <json>`, where `known` bytes of events were read
 * before. Returns null in place of an event of a type that is not known here. Throws a `SessionError` where the line
 * does not follow on the one before.
 */
export function readEvent(text: string, known: number, label: string): { event: Event | null; end: number } {
  const [offset, json] = splitWord(text);
  const end = Number(offset);
  // Events lie behind one another in a file: where an offset does not fit, one of them did not get through.
  const whole = Number.isSafeInteger(end) && end === known + Buffer.byteLength(json) + 1;
  const event = whole ? parse(json) : null;
  if (event === null) throw damaged(label, text);
  return { event: isEvent(event) ? event : null, end };
}

/** Cuts a text at its first blank. */
export function splitWord(text: string): [first: string, rest: string] {
  const at = text.indexOf(' ');
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
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
