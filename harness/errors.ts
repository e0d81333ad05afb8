/** A mistake of the caller's, every one of them found at once; the CLI prints them and exits with 64. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
  readonly mistakes: readonly string[];
  constructor(mistakes: readonly string[]) {
    super(mistakes.join('\n'));
    this.mistakes = mistakes;
  }
}

/** The harness, not the rollout, could not do its work; the CLI exits with 70. */
export class HarnessError extends Error {
  override readonly name: string = 'HarnessError';
}

/** Main waits, and nothing that could ever wake it is scheduled on a virtual clock. */
export class StuckError extends HarnessError {
  override readonly name = 'StuckError';
}

/** What was waited for did not come true within its limit of model time; the cell is then unknown. */
export class NotReachedError extends HarnessError {
  override readonly name = 'NotReachedError';
}

/** The release could not be played for a fault of its own, such as a gateway that cannot start; the cell is unknown. */
export class ReleaseFailedError extends Error {
  override readonly name = 'ReleaseFailedError';
}

/** The run was asked to end (Ctrl-C, SIGTERM, or a release interrupted by --rollback-after). */
export class InterruptedError extends Error {
  override readonly name = 'InterruptedError';
}

/** The Kubernetes API refused: `reason` is the API's own word, such as NotFound, Conflict, Invalid. */
export class KubeError extends HarnessError {
  override readonly name = 'KubeError';
  readonly reason: string;
  constructor(reason: string, message: string) {
    super(message);
    this.reason = reason;
  }
}

/** Adds what a caught error says the caller did wrong to the mistakes found so far. @throws every other error again. */
export function addMistakes(mistakes: string[], error: unknown): undefined {
  if (!(error instanceof UsageError)) throw error;
  mistakes.push(...error.mistakes);
  return undefined;
}
