import type { Millis } from '../../../harness/time/duration.ts';

/**
 * One forwarding rule of the passthrough balancer as data: what a hash-and-route box must do with the packets
 * of one virtual IP and port. The pool's state machine makes it, nftables renders it, sim interprets it.
 */
export interface BalancerProgram {
  readonly service: string;
  readonly address: string;
  readonly port: number;
  /** All backends, whatever their health; the table and the tracking speak of them by index. */
  readonly nodes: readonly string[];
  readonly healthy: readonly boolean[];
  /** Maglev's lookup table over the eligible backends: slot -> index into `nodes`; empty when there is no backend at all. */
  readonly table: Uint16Array;
  /** What the hash is taken over: the four-tuple, or the client's address (sessionAffinity ClientIP). */
  readonly hash: 'four-tuple' | 'source-address';
  readonly tracking: {
    /** An entry that saw no packet for this long is forgotten. */
    readonly idle: Millis;
    /** When a tracked flow stays where it is: while that backend is healthy (Maglev paper 3.2), or also when it is not. */
    readonly keep: 'while-healthy' | 'always';
  };
  /** Increases whenever tracked flows must be forgotten (the forwarding rule was recreated). */
  readonly generation: number;
}
