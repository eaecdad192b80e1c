/** Splits a list at commas and line ends; blanks around an entry, and empty entries, do not count. */
export function splitList(text: string): string[] {
  return text
    .split(/[,\r\n]/)
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '');
}
