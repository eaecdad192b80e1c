/** What Markdown reads as such in a text: all but its fenced blocks and code spans. */
export function outsideOfCode(markdown: string): string {
  return markdown
    .replace(/^(`{3,})[^`\n]*\n[\s\S]*?^\1$/gm, '')
    .replace(/(?<!`)(`+)(?!`)([^\n]*?)(?<!`)\1(?!`)/g, '');
}
