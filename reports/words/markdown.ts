/** Text from outside in a Markdown table: no cell borders, no markup, no mentions, one line. */
export const markdownText = (text: string): string =>
  text
    .replace(/[\\`*_{}[\]<>()#+!|~@]/g, (character) => `\\${character}`)
    .replace(/\\</g, '&lt;')
    .replace(/\s+/g, ' ');
