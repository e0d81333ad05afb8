import type { Clock } from '../time/clock.ts';
import type { Millis } from '../time/duration.ts';

/** The addresses that a name stands for, IPv4 and IPv6, in the order in which the resolver gives them. */
export type Resolve = (host: string) => Promise<readonly string[]>;

/**
 * Where the clients of one name connect to: all of its addresses in turn, asked for again once a TTL. While the resolver
 * fails the addresses of before stay.
 */
export class Addresses implements Disposable {
  private known: readonly string[];
  private turn = 0;
  private readonly timer: Disposable;

  private constructor(
    known: readonly string[],
    again: { host: string; resolve: Resolve; clock: Clock; ttl: Millis; changed(text: string): void },
  ) {
    const { host, resolve, clock, ttl, changed } = again;
    this.known = known;
    this.timer = clock.every(ttl, ttl, () => {
      resolve(host).then(
        (found) => {
          if (found.length === 0 || same(found, this.known)) return;
          changed(`${host} is ${found.join(', ')} now (${this.known.join(', ')} before)`);
          this.known = found;
        },
        () => {},
      );
    });
  }

  /** @throws Error of the resolver's where the name is not known. */
  static async of(options: {
    host: string;
    resolve: Resolve;
    clock: Clock;
    ttl: Millis;
    /** Told of each change, for the log. */
    changed(text: string): void;
  }): Promise<Addresses> {
    return new Addresses(await options.resolve(options.host), options);
  }

  get all(): readonly string[] {
    return this.known;
  }

  /** The address for the next connection. */
  next(): string | undefined {
    return this.known[this.turn++ % this.known.length];
  }

  [Symbol.dispose](): void {
    this.timer[Symbol.dispose]();
  }
}

/** Resolvers rotate their answers: the order says nothing. */
const same = (one: readonly string[], other: readonly string[]) =>
  one.toSorted().join() === other.toSorted().join();
