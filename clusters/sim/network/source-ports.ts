import type { Random } from '../../../harness/statistics/random.ts';
import type { Millis } from '../../../harness/time/duration.ts';
import type { ConntrackEntry } from './conntrack.ts';
import { endpointKey } from './ipv4.ts';

/** Where the kernel looks for a port when the connection came from an unprivileged one (nf_nat_core.c). */
const LEAST = 1024;
const MOST = 65_535;

/**
 * The source ports that one node's masquerading has given away. A port may serve many connections as long as they
 * go to different endpoints; about 64,500 connections are the most that one node can send to one endpoint.
 */
export class SourcePorts {
  private readonly holders = new Map<number, Map<number, ConntrackEntry>>();
  private readonly random: Random;

  constructor(random: Random) {
    this.random = random;
  }

  /**
   * A port for this entry's answerer: the client's own when it is free and `fullyRandom` is not asked for, else
   * searched from random offsets with 128, 64, 32 and 16 attempts; undefined when all were taken, in which case
   * the kernel drops the packet (nf_nat_core.c get_unique_tuple).
   */
  take(entry: ConntrackEntry, fullyRandom: boolean, now: Millis): number | undefined {
    const endpoint = endpointKey(entry.answerer, entry.answererPort);
    const holders = this.holders.get(endpoint) ?? new Map<number, ConntrackEntry>();
    this.holders.set(endpoint, holders);
    if (!fullyRandom && isFree(holders, entry.sourcePort, now)) return hold(holders, entry.sourcePort, entry);
    for (let attempts = 128; attempts >= 16; attempts /= 2) {
      let port = this.random.integer(LEAST, MOST + 1);
      for (let attempt = 0; attempt < attempts; attempt++) {
        if (isFree(holders, port, now)) return hold(holders, port, entry);
        port = port === MOST ? LEAST : port + 1;
      }
    }
    return undefined;
  }
}

function isFree(holders: Map<number, ConntrackEntry>, port: number, now: Millis): boolean {
  const holder = holders.get(port);
  return holder === undefined || !holder.alive(now);
}

function hold(holders: Map<number, ConntrackEntry>, port: number, entry: ConntrackEntry): number {
  holders.set(port, entry);
  return port;
}
