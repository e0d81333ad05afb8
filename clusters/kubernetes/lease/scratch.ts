import { deadLeases, forgetLease, leaseFiles, takeLease } from './lease.ts';

const PREFIX = 'scratch-';

/** A folder for files that nobody needs once its process is over. */
export interface Scratch extends AsyncDisposable {
  readonly directory: string;
  /** Removes it at once, for a process that has been told to end. */
  forget(): void;
}

/** A folder that goes with its disposal; where its process is killed before that, `sweepScratches` removes it. */
export async function takeScratch(name: string): Promise<Scratch> {
  const lease = await takeLease(`${PREFIX}${name}`);
  return {
    directory: leaseFiles(`${PREFIX}${name}`),
    forget: () => forgetLease(`${PREFIX}${name}`),
    [Symbol.asyncDispose]: () => lease[Symbol.asyncDispose](),
  };
}

/** Removes the folders whose processes are dead, and returns their names. */
export async function sweepScratches(): Promise<string[]> {
  const dead = (await deadLeases()).filter((name) => name.startsWith(PREFIX));
  for (const name of dead) forgetLease(name);
  return dead;
}
