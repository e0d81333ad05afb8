import type { Reading } from '../contracts/config.ts';

/** What a regular expression finds: its first group, or all of it. */
function found(text: string, expression: RegExp): string | undefined {
  // A global or sticky one would go on from where it was.
  expression.lastIndex = 0;
  const result = expression.exec(text);
  return result?.[1] ?? result?.[0];
}

/** The value that a JSON pointer names; undefined where there is none. RFC 6901. */
export function atPointer(document: unknown, pointer: string): unknown {
  let value = document;
  for (const step of pointer.split('/').slice(1)) {
    const key = step.replaceAll('~1', '/').replaceAll('~0', '~');
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined;
    value = (value as Record<string, unknown>)[key];
  }
  return value;
}

/** What a reading finds in the headers of a handshake response (names in lower case). */
export function readHeaders(
  reading: Reading | undefined,
  headers: Readonly<Record<string, string | readonly string[] | undefined>>,
): string | undefined {
  if (reading === undefined || !('header' in reading)) return undefined;
  const value = headers[reading.header.toLowerCase()];
  if (value === undefined) return undefined;
  const text = typeof value === 'string' ? value : value.join(', ');
  return reading.match === undefined ? text : found(text, reading.match);
}

/** What a reading finds in a message. */
export function readMessage(reading: Reading | undefined, text: string): string | undefined {
  if (reading === undefined || !('message' in reading)) return undefined;
  if (reading.message instanceof RegExp) return found(text, reading.message);
  let value: unknown;
  try {
    value = atPointer(JSON.parse(text), reading.message);
  } catch {
    return undefined;
  }
  return typeof value === 'string' || typeof value === 'number' ? String(value) : undefined;
}
