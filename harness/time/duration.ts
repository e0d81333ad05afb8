import { UsageError } from '../errors.ts';

/** Model time or a length of it in whole milliseconds since the run began; never wall time. */
export type Millis = number;

const UNITS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 } as const;

/**
 * Reads a duration such as `30s`, `5m`, `1m30s`, `250ms`, `1.5h` or `0` into milliseconds.
 * @throws UsageError when the text is no duration.
 */
export function parseDuration(text: string): Millis {
  const trimmed = text.trim();
  if (trimmed === '0') return 0;
  if (!/^(\d+(\.\d+)?(ms|s|m|h))+$/.test(trimmed))
    throw new UsageError([`'${text}' is not a duration; write for instance 30s, 5m, 1m30s or 250ms`]);
  let total = 0;
  for (const [, amount, unit] of trimmed.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g))
    total += Number(amount) * UNITS[unit as keyof typeof UNITS];
  return Math.round(total);
}

/** Writes a length of time as a person would: `250ms`, `17.4s`, `5m`, `1m30s`, `1h5m`. */
export function formatDuration(length: Millis): string {
  if (length < 0) return `-${formatDuration(-length)}`;
  if (length < 1000) return `${Math.round(length)}ms`;
  if (length < 60_000) return `${trimZero((length / 1000).toFixed(1))}s`;
  const seconds = Math.round(length / 1000);
  const [hours, minutes, rest] = [
    Math.floor(seconds / 3600),
    Math.floor((seconds % 3600) / 60),
    seconds % 60,
  ];
  return `${hours > 0 ? `${hours}h` : ''}${minutes > 0 ? `${minutes}m` : ''}${rest > 0 ? `${rest}s` : ''}`;
}

const trimZero = (text: string) => text.replace(/\.0$/, '');
