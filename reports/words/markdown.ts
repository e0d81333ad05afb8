import { visible } from './plain-text.js';

/** Text from outside in a Markdown table: no cell borders, no markup, no entities, mentions or links, one line. */
export const markdownText = (text: string): string =>
  visible(text)
    .replace(/[\\`*_{}[\]<>()#+!|~@&]/g, (character) => `\\${character}`)
    .replace(/\\</g, '&lt;')
    .replace(/:\/\/|(?<=\bwww)\./g, (link) => `\\${link}`)
    .replace(/\s+/g, ' ');
