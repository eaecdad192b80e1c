/** Why an input cannot be used. The reader of the inputs adds its name and, unless it is secret, what was given. */
export class BadValue extends Error {
  /** What the input takes, as the end of the sentence "It takes …". */
  readonly takes: string;
  /** What to do, one sentence; null if that goes without saying. */
  readonly remedy: string | null;

  /** `why` is the end of the sentence "`name` is "what was given": …". */
  constructor(why: string, takes: string, remedy: string | null = null) {
    super(why);
    this.name = 'BadValue';
    this.takes = takes;
    this.remedy = remedy;
  }
}

/** Control characters, and the invisible ones that make one text look like another. */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u;

/** Whether text holds a character that a person cannot see. */
export function hasUnprintable(text: string): boolean {
  return UNPRINTABLE.test(text);
}
