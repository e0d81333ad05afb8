import { refusesOut } from './typed-path.ts';

/** A whole number as it was typed, with a mistake of this option added where it is none, or lies outside the bounds. */
export function wholeNumber(
  option: string,
  typed: string,
  [least, most]: readonly [number, number],
  mistakes: string[],
): number {
  const value = /^\d+$/.test(typed) ? Number(typed) : Number.NaN;
  if (!(value >= least && value <= most))
    mistakes.push(`--${option} ${typed || "''"}: must be a whole number from ${least} to ${most}`);
  return value;
}

/** One of these words, with a mistake of this option added where it is none. */
export function oneOf(option: string, typed: string, allowed: readonly string[], mistakes: string[]): void {
  if (!allowed.includes(typed))
    mistakes.push(`--${option} ${typed || "''"}: must be ${allowed.join(' or ')}`);
}

/** A folder to write into, where one was typed, with a mistake added where that cannot be; see `refusesOut`. */
export function checkOut(
  typed: string | undefined,
  mistakes: string[],
  ours?: (entry: string) => boolean,
): void {
  const refused = typed === undefined ? undefined : refusesOut(typed, ours);
  if (refused !== undefined) mistakes.push(`--out ${typed || "''"}: ${refused}`);
}
