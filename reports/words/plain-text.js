// What text from outside must not do where it is shown as it is. The page's script uses it as well, hence JavaScript.

/** What a terminal obeys instead of showing it: control characters (ESC and the C1 set among them), overrides of the reading direction. */
const OBEYED = /[\p{Cc}\p{Cs}\p{Bidi_Control}\u2028\u2029]/gu;

const spelled = (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;

export const oneLine = (text) => text.replace(OBEYED, spelled);

export const visible = (text) =>
  text.replace(OBEYED, (character) => (/[\n\t]/.test(character) ? character : spelled(character)));

/** What a spreadsheet takes for a formula, behind whatever it trims; the wide forms too. */
const FORMULA = /^\s*[=+\-@\uff1d\uff0b\uff0d\uff20]/;

export function csvField(value) {
  const formula = typeof value === 'string' && FORMULA.test(value);
  const text = `${formula ? "'" : ''}${oneLine(String(value))}`;
  return /[",]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
