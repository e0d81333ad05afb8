import { lstatSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Millis } from '../../time/duration.ts';
import { foreignEntry, isBaseline, storedRuns } from './runs.ts';

/** A stored run that nobody has written to for long. */
export interface OldRun {
  readonly name: string;
  readonly path: string;
  /** In milliseconds since 1970. */
  readonly began: number;
  readonly bytes: number;
}

const HOUR = 3_600_000;
const AGES = { h: HOUR, d: 24 * HOUR, w: 7 * 24 * HOUR } as const;

/** Reads an age such as `12h`, `30d` or `8w`, an hour at least; why it cannot be one where it is none. */
export function parseAge(text: string): Millis | string {
  const [, amount, unit] = /^(\d+)([hdw])$/.exec(text.trim()) ?? [];
  const age = Number(amount) * AGES[unit as keyof typeof AGES];
  return age >= HOUR && Number.isSafeInteger(age)
    ? age
    : 'must be a whole number of hours, days or weeks such as 12h, 30d or 8w, at least 1h';
}

/**
 * The runs in a folder that began, and were last written, longer ago than `age`; those that are old but hold something
 * that onedrop did not write, or are a baseline, are kept with the reason.
 */
export function findOldRuns(folder: string, age: Millis, now = Date.parse(new Date().toISOString())) {
  const old: OldRun[] = [];
  const kept: { name: string; why: string }[] = [];
  for (const { name, began } of storedRuns(folder)) {
    const path = join(folder, name);
    const { bytes, written } = measure(path);
    if (Math.max(began, written) > now - age) continue;
    const foreign = foreignEntry(readdirSync(path));
    if (isBaseline(path)) kept.push({ name, why: 'it is the baseline of npm run nightly' });
    else if (foreign !== undefined)
      kept.push({ name, why: `it holds ${foreign}, which is no file of a run` });
    else old.push({ name, path, began, bytes });
  }
  return { old, kept };
}

export const removeRun = ({ path }: OldRun): void => rmSync(path, { recursive: true });

/** What a folder holds, and when the newest file in it was written; links are not followed. */
function measure(path: string): { bytes: number; written: number } {
  const files = readdirSync(path, { recursive: true, encoding: 'utf8' })
    .map((name) => lstatSync(join(path, name)))
    .filter((found) => found.isFile());
  return {
    bytes: files.reduce((total, { size }) => total + size, 0),
    written: Math.max(0, ...files.map(({ mtimeMs }) => mtimeMs)),
  };
}

export const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;
