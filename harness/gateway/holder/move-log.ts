import type { Millis } from '../../time/duration.ts';
import type { Said } from '../said.ts';

/** Moves are logged by the number every 10 s, not one by one. */
const PERIOD: Millis = 10_000;
/** Clients given up: the first at once, the others soon enough to be told apart from what happens later. */
const GIVEN_UP_PERIOD: Millis = 3000;

/** What a holder says of the clients that it moves and of those that it gives up; times are the model's. */
export class MoveLog {
  private readonly clock: { now(): Millis; after(delay: Millis, fire: () => void): void };
  private readonly say: (line: Said) => void;
  private readonly moves = new Map<string, number>();
  private givenUpCount = 0;
  private givenUpAt = Number.NEGATIVE_INFINITY;

  constructor(clock: MoveLog['clock'], say: (line: Said) => void) {
    this.clock = clock;
    this.say = say;
  }

  /** A client has another upstream than before. */
  moved(why: string): void {
    if (this.moves.size === 0)
      this.clock.after(PERIOD, () => {
        for (const [reason, connections] of this.moves) this.say({ did: 'rehome', why: reason, connections });
        this.moves.clear();
      });
    this.moves.set(why, (this.moves.get(why) ?? 0) + 1);
  }

  /** A client is about to be closed, because no gateway serves it. */
  givenUp(): void {
    this.givenUpCount++;
    const now = this.clock.now();
    if (now - this.givenUpAt < GIVEN_UP_PERIOD) return;
    this.say({
      did: 'give-up',
      why: 'no gateway was found for them in time',
      connections: this.givenUpCount,
    });
    this.givenUpAt = now;
    this.givenUpCount = 0;
  }
}
