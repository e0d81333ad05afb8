import type { Address } from './ipv4.ts';

/** What a TCP segment is to those who meet it on its way. */
export type PacketKind = 'syn' | 'syn-ack' | 'data' | 'fin' | 'reset';

/** One TCP segment; nodes rewrite its addresses as NAT does and mark it as netfilter does. */
export interface Packet {
  source: Address;
  sourcePort: number;
  destination: Address;
  destinationPort: number;
  kind: PacketKind;
  /** The packet mark, of one node only. */
  mark: number;
}

/** What a node does with a packet that came in. */
export type Fate =
  /** It leaves for `destination`, as rewritten. */
  | 'forward'
  /** It is the node's own and was let in; nothing listens there, so the node's TCP answers with a RST. */
  | 'local'
  /** An ICMP error (port unreachable) goes back to the source. */
  | 'reject'
  | 'drop';
