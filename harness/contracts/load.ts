import type { Millis } from '../time/duration.ts';

/** What came to a gateway and what became of it, in a stretch of time that ends when it is told. */
export interface Load {
  /** The length of that stretch. */
  readonly over: Millis;
  /** Handshakes that clients asked for; one whose SYN was dropped counts when it first came. */
  readonly offered: number;
  /** Handshakes that were done, those included whose client had left meanwhile. */
  readonly served: number;
  /** Of these, whose client had left: work for nobody. */
  readonly stale: number;
  /** Refused by admission control. */
  readonly refused: number;
  /** SYNs that found the accept queue full. */
  readonly dropped: number;
  /** Handshakes that wait to be served when this is told. */
  readonly queue: number;
  /** The longest that anything which came had to wait for its turn. */
  readonly wait: Millis;
  /** Share of its processors that it used. */
  readonly busy: number;
  /** Probes that waited for longer than kubelets wait for them. */
  readonly lateProbes: number;
}
