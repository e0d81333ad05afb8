import { cpSync, existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { BASELINE_MARK } from './runs.ts';

/** Beside a baseline while it is replaced; nobody else calls a folder so. */
const beside = (baseline: string) => ({
  next: `${baseline}.onedrop-next`,
  old: `${baseline}.onedrop-old`,
});

/** Makes a run the last good one: written beside the old one first, so that there always is one. */
export function keep(out: string, baseline: string): void {
  recover(baseline);
  const { next, old } = beside(baseline);
  mkdirSync(dirname(baseline), { recursive: true });
  rmSync(next, { recursive: true, force: true });
  cpSync(out, next, { recursive: true });
  writeFileSync(join(next, BASELINE_MARK), `${basename(out)}\n`);
  if (existsSync(baseline)) renameSync(baseline, old);
  renameSync(next, baseline);
  rmSync(old, { recursive: true, force: true });
}

/** Puts the last good run back where `keep` was killed between its two renames, and removes what else it left. */
export function recover(baseline: string): void {
  const { next, old } = beside(baseline);
  if (existsSync(old) && !existsSync(baseline)) renameSync(old, baseline);
  for (const left of [next, old]) rmSync(left, { recursive: true, force: true });
}
