import { accessSync, constants, existsSync, mkdtempSync, readdirSync, rmdirSync, statSync } from 'node:fs';
import { basename, dirname, join, relative, resolve } from 'node:path';

/** Where the command was typed: npm runs scripts in the package's folder and says where it was called. */
export const typedFolder = (): string => process.env.INIT_CWD ?? process.cwd();

/** A path as it was typed. */
export const typedPath = (path: string): string => resolve(typedFolder(), path);

/** A path as whoever typed the command would write it. */
export const shownPath = (path: string): string => relative(typedFolder(), path) || '.';

/** Longer names no file system in use here takes. */
const LONGEST_NAME = 255;

/**
 * Why nothing can be written into a new folder of this name, in words for an option's mistake; undefined where it can.
 * A folder that is there must be empty, or hold only entries that `ours` knows, such as those of an earlier report.
 */
export function refusesOut(
  typed: string,
  ours: (entry: string) => boolean = () => false,
): string | undefined {
  if (typed.trim() === '') return 'must name a folder';
  const path = typedPath(typed);
  if (path.includes('\0')) return 'must not hold a NUL character';
  if (path.split('/').some((name) => Buffer.byteLength(name) > LONGEST_NAME))
    return `has a name of more than ${LONGEST_NAME} bytes in it`;
  const there = standing(path);
  if (!statSync(there).isDirectory())
    return there === path ? 'is not a folder' : `lies below ${there}, which is not a folder`;
  const foreign = there === path ? readdirSync(path).filter((entry) => !ours(entry)) : [];
  if (foreign.length > 0)
    return `holds ${foreign.includes('events.jsonl') || foreign.includes('events.jsonl.gz') ? 'a run already' : `${foreign[0]} already`}; name another folder or remove it`;
  return unwritable(there);
}

/** The nearest of a path and its parents that is there. */
function standing(path: string): string {
  return existsSync(path) || dirname(path) === path ? path : standing(dirname(path));
}

/** A probe says more than permissions do: file systems can be read-only, or take nothing, as /proc. */
function unwritable(folder: string): string | undefined {
  try {
    accessSync(folder, constants.W_OK | constants.X_OK);
    rmdirSync(mkdtempSync(join(folder, '.onedrop-')));
    return undefined;
  } catch (error) {
    return `cannot be written: ${(error as NodeJS.ErrnoException).code ?? 'unknown'} in ${basename(folder) === '' ? '/' : folder}`;
  }
}
