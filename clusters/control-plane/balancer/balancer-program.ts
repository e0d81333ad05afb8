import type { Held } from '../../../harness/platforms/balancer-entry.ts';
import type { Millis } from '../../../harness/time/duration.ts';

/**
 * One forwarding rule of the passthrough balancer as data: what a hash-and-route box must do with the packets
 * of one virtual IP and port. The pool's state machine makes it, nftables renders it, sim interprets it.
 */
export interface BalancerProgram {
  readonly service: string;
  readonly address: string;
  readonly port: number;
  /** All backends, whatever their health; the table speaks of them by index. */
  readonly backends: readonly ProgramBackend[];
  /** Lookup table over the backends that take new flows: slot -> index into `backends`; empty when there is none. */
  readonly table: Uint16Array;
  /** What the hash is taken over: the four-tuple, or the client's address (sessionAffinity ClientIP). */
  readonly hash: 'four-tuple' | 'source-address';
  readonly tracking: {
    /** An entry that saw no packet for this long is forgotten; 0: nothing is tracked, Infinity: nothing is forgotten. */
    readonly idle: Millis;
    /** What a packet gets that belongs to no entry and opens no connection. */
    readonly unknown: Exclude<Held, 'kept'>;
    /** What a packet gets whose entry names a backend that is no longer listed. */
    readonly left: Exclude<Held, 'kept'>;
  };
  /** Increases whenever tracked flows must be forgotten (the forwarding rule was recreated). */
  readonly generation: number;
}

/** Where packets go: to a node, addressed as they came, or straight to a pod of it. */
export interface ProgramBackend {
  readonly name: string;
  readonly node: string;
  /** Packets are rewritten to this, and answers back. */
  readonly pod?: { readonly address: string; readonly port: number };
  readonly healthy: boolean;
  /** What a packet gets whose entry names this backend. */
  readonly held: Held;
}
