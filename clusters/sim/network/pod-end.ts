import type { Address } from './ipv4.ts';
import type { SimNode } from './node.ts';

/** A pod's end of the network: its address on a node, and the ports that a process listens on. */
export interface PodEnd {
  readonly name: string;
  readonly address: Address;
  readonly node: SimNode;
  listens(port: number): boolean;
  /** Grows when the address goes away. */
  epoch: number;
}
