import { oneLine } from '../words/plain-text.js';

/** Markup that is safe to put into a page as it is. */
export class Html {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
  toString(): string {
    return this.text;
  }
}

type Value = string | number | Html | null | undefined | false | readonly Value[];

const ENTITIES: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/**
 * `text` with everything escaped that could become markup, in element content and in quoted attributes; control
 * characters and halves of surrogate pairs, which neither HTML nor XML can hold, become U+FFFD, and so do separators of
 * lines and overrides of the reading direction.
 */
export const escapeHtml = (text: string): string =>
  text
    .replace(/(?![\t\n])\p{Cc}|\p{Cs}|[\p{Bidi_Control}\u2028\u2029\ufffe\uffff]/gu, '\ufffd')
    .replace(/[&<>"']/g, (character) => ENTITIES[character] as string);

function render(value: Value): string {
  if (value === null || value === undefined || value === false) return '';
  if (value instanceof Html) return value.text;
  if (Array.isArray(value)) return value.map(render).join('');
  // A number never parts from its percent sign at the end of a line.
  return escapeHtml(String(value)).replace(/(\d) %/g, '$1\u00a0%');
}

/**
 * A template whose values are escaped unless they are Html themselves; lists are joined, null, undefined and
 * false vanish. Attributes must be quoted.
 */
export function html(parts: TemplateStringsArray, ...values: Value[]): Html {
  let text = parts[0] as string;
  values.forEach((value, index) => {
    text += render(value) + (parts[index + 1] as string);
  });
  return new Html(text);
}

/** Data for a script of the page: JSON in which no `<` can end the element or open a comment. */
export const jsonScript = (id: string, data: unknown): Html =>
  new Html(
    `<script type="application/json" id="${escapeHtml(id)}">${oneLine(JSON.stringify(data)).replace(/</g, '\\u003c')}</script>`,
  );

/** A trusted script of our own, inlined; a closing tag inside it could only be in a string. */
export const inlineScript = (source: string): Html =>
  new Html(`<script>${source.replace(/<\/script/gi, '<\\/script')}</script>`);
