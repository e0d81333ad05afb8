import { hash32 } from '../statistics/random.ts';
import type { Millis } from '../time/duration.ts';

/**
 * The one DNS name that all clients dial. A resolver's answer is kept for the whole TTL, and clients asked at
 * different times, so after a change each follows at its own moment within the TTL, evenly spread.
 * The record is the harness's own on every cluster: what is studied is the move, not a DNS server.
 */
export class DnsRecord {
  private readonly ttl: Millis;
  private readonly changes: { readonly at: Millis; readonly service: string }[];

  constructor(ttl: Millis, service: string) {
    this.ttl = ttl;
    this.changes = [{ at: Number.NEGATIVE_INFINITY, service }];
  }

  change(service: string, now: Millis): void {
    this.changes.push({ at: now, service });
  }

  /** The Service that the answer names which `client` holds at `now`. */
  answer(client: string, now: Millis): string {
    const only = this.changes[0] as { service: string };
    if (this.changes.length === 1) return only.service;
    // The client asks again once a TTL, at a phase of its own; its answer is as old as its last question.
    const phase = this.ttl === 0 ? 0 : hash32(client) % this.ttl;
    const asked = this.ttl === 0 ? now : Math.floor((now - phase) / this.ttl) * this.ttl + phase;
    return (this.changes.findLast(({ at }) => at <= asked) ?? only).service;
  }
}
