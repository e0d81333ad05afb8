import type { Reading } from '../../contracts/config.ts';

/** Gathers the values of an option that may be given again. */
export const all = (value: string, before: readonly string[]): string[] => [...before, value];

/** `header:NAME` or `message:/JSON/POINTER`, with a mistake of this option added where it is neither. */
export function readReading(
  option: string,
  text: string | undefined,
  mistakes: string[],
): Reading | undefined {
  if (text === undefined) return undefined;
  const [, kind, rest = ''] = /^(header|message):(.+)$/.exec(text) ?? [];
  if (kind === 'header') return { header: rest };
  if (kind === 'message' && rest.startsWith('/')) return { message: rest };
  mistakes.push(`--${option} ${text}: must be header:NAME or message:/JSON/POINTER`);
  return undefined;
}

/** Headers as they were typed, by their names in lower case; no value stands in a mistake. */
export function readHeaders(typed: readonly string[], mistakes: string[]): Record<string, string> {
  return Object.fromEntries(
    typed.flatMap((one) => {
      const [, name, value = ''] = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):\s*(.*)$/.exec(one) ?? [];
      if (name !== undefined) return [[name.toLowerCase(), value] as const];
      // Its value could be a secret.
      mistakes.push(`--header ${one.split(/[:=\s]/)[0]}...: must be NAME: VALUE`);
      return [];
    }),
  );
}
