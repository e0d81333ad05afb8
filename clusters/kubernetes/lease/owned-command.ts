import { readdirSync, readFileSync } from 'node:fs';
import { type CommandOptions, command } from '../../command.ts';
import { leaseFiles } from './lease.ts';

/** Tells, in a process's environment, for which lease it works; its own children inherit it. */
const MARK = 'ONEDROP_LEASE';

/** Runs a command for the holder of a lease, with the lease's directory for temporary files. @throws CommandError. */
export type OwnedCommand = (
  file: string,
  args: readonly string[],
  options?: CommandOptions,
) => Promise<string>;

/**
 * Commands that sweep can find: when their harness is killed with -9, a `kind create` or `docker build` would go on
 * and make what nobody is left to remove.
 */
export const commandOwnedBy =
  (lease: string): OwnedCommand =>
  (file, args, options = {}) =>
    command(file, args, {
      ...options,
      env: ownedEnvironment(lease, options.env),
    });

/** The same commands, ended with all that they have started once `signal` is aborted; none begins after that. */
export const heeding =
  (run: OwnedCommand, signal: AbortSignal | undefined): OwnedCommand =>
  (file, args, options = {}) =>
    run(file, args, { signal, ...options });

/** The environment of what works for the holder of a lease. */
export const ownedEnvironment = (lease: string, env: NodeJS.ProcessEnv = process.env): NodeJS.ProcessEnv => ({
  ...env,
  [MARK]: lease,
  TMPDIR: leaseFiles(lease),
});

/**
 * Ends what still works for a dead lease, by process number, and returns how many there were. Only where /proc tells
 * (Linux); elsewhere what they make is found by the next sweep.
 */
export function endOrphans(lease: string): number {
  let ended = 0;
  for (const entry of processes())
    if (entry.marks.includes(`${MARK}=${lease}`)) {
      try {
        process.kill(entry.id, 'SIGKILL');
        ended++;
      } catch {
        // It ended by itself meanwhile.
      }
    }
  return ended;
}

function processes(): { id: number; marks: string[] }[] {
  try {
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
      .flatMap((name) => {
        try {
          return [{ id: Number(name), marks: readFileSync(`/proc/${name}/environ`, 'utf8').split('\0') }];
        } catch {
          // Somebody else's process, or one that has just ended.
          return [];
        }
      });
  } catch {
    return [];
  }
}
