import type { Millis } from '../../../harness/time/duration.ts';
import type { Address } from './ipv4.ts';

/** sessionAffinity ClientIP in maps: which endpoint a client's last new connection went to. */
export class Affinity {
  private readonly chosen = new Map<Address, { endpoint: number; at: Millis }>();

  /** The endpoint this client is to go to again, unless it was there longer ago than `seconds`. */
  recall(client: Address, seconds: number | undefined, now: Millis): number | undefined {
    if (seconds === undefined) return undefined;
    const known = this.chosen.get(client);
    return known !== undefined && now - known.at <= seconds * 1000 ? known.endpoint : undefined;
  }

  remember(client: Address, endpoint: number, now: Millis): void {
    this.chosen.set(client, { endpoint, at: now });
  }
}
