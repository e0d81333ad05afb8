import { describe, expect, it } from 'vitest';
import { Random } from '../../../harness/statistics/random.ts';
import { type Connection, Conntrack, ConntrackEntry, NODE_TIMEOUTS } from './conntrack.ts';
import type { Packet } from './packet.ts';
import { SourcePorts } from './source-ports.ts';

const connection = (): Connection => ({ walk: 0, newest: undefined, touch: () => {} });
const packet = (kind: Packet['kind'], changes: Partial<Packet> = {}): Packet => ({
  source: 1,
  sourcePort: 40_000,
  destination: 2,
  destinationPort: 80,
  kind,
  mark: 0,
  ...changes,
});
const answer = (kind: Packet['kind']) =>
  packet(kind, { source: 3, sourcePort: 8080, destination: 4, destinationPort: 5000 });

/** An established connection from 1:40000 to 2:80, translated to 4:5000 -> 3:8080. */
function established(table: Conntrack, of: Connection): ConntrackEntry {
  const entry = new ConntrackEntry(table, of, packet('syn'), 0);
  Object.assign(entry, { answerer: 3, answererPort: 8080, asker: 4, askerPort: 5000 });
  table.confirm(entry);
  table.accept(entry, 'syn', false, 0);
  table.accept(entry, 'syn-ack', true, 0);
  return entry;
}

describe('connection tracking', () => {
  it('knows both directions of a translated connection and rewrites each', () => {
    const table = new Conntrack({ loose: true });
    const of = connection();
    const entry = established(table, of);
    const there = packet('data');
    expect(table.find(there, of, 1)).toBe(entry);
    expect(table.isReply).toBe(false);
    entry.translate(there);
    expect(there).toMatchObject({ source: 4, sourcePort: 5000, destination: 3, destinationPort: 8080 });
    const back = answer('data');
    expect(table.find(back, of, 1)).toBe(entry);
    expect(table.isReply).toBe(true);
    entry.translateReply(back);
    expect(back).toMatchObject({ source: 2, sourcePort: 80, destination: 1, destinationPort: 40_000 });
  });

  it('keeps an established connection for a day, an opening one for two minutes, a reset one for ten seconds', () => {
    const table = new Conntrack({ loose: true });
    const of = connection();
    const entry = established(table, of);
    expect(entry.alive(24 * 3_600_000)).toBe(true);
    expect(entry.alive(24 * 3_600_000 + 1)).toBe(false);
    const opening = new ConntrackEntry(table, of, packet('syn'), 0);
    expect([opening.alive(120_000), opening.alive(120_001)]).toEqual([true, false]);
    table.accept(entry, 'reset', true, 0);
    expect([entry.alive(10_000), entry.alive(10_001)]).toEqual([true, false]);
    expect(table.find(packet('data'), of, 20_000)).toBeUndefined();
    expect(of.newest).toBeUndefined();
  });

  it('says of a connection that idled for too long that it has expired, until there is a new entry', () => {
    const table = new Conntrack({ loose: true, timeouts: { ...NODE_TIMEOUTS, established: 900_000 } });
    const of = connection();
    established(table, of);
    expect([table.find(packet('data'), of, 900_000)?.phase, table.hasExpired]).toEqual([
      'established',
      false,
    ]);
    // Whoever speaks first finds it gone, and so do all after him.
    expect([table.find(answer('data'), of, 900_001), table.hasExpired]).toEqual([undefined, true]);
    expect([table.find(packet('data'), of, 900_002), table.hasExpired]).toEqual([undefined, true]);
    established(table, of);
    expect(table.find(packet('data'), of, 1)).toBeDefined();
    expect(table.hasExpired).toBe(false);
  });

  it('takes a data packet for a new connection only where it is loose, and never a FIN or a RST', () => {
    const loose = new Conntrack({ loose: true });
    const strict = new Conntrack({ loose: false });
    const kinds = ['syn', 'data', 'fin', 'reset', 'syn-ack'] as const;
    expect(kinds.map((kind) => loose.startsEntry(kind))).toEqual([true, true, false, false, false]);
    expect(kinds.map((kind) => strict.startsEntry(kind))).toEqual([true, false, false, false, false]);
  });

  it('forgets a connection whose only answer is a RST', () => {
    const table = new Conntrack({ loose: true });
    const of = connection();
    const entry = new ConntrackEntry(table, of, packet('data'), 0);
    table.confirm(entry);
    table.accept(entry, 'data', false, 0);
    table.accept(entry, 'reset', true, 0);
    expect(entry.alive(0)).toBe(false);
  });

  it('forgets everything when it is flushed, and only the entry that is meant when one times out', () => {
    const table = new Conntrack({ loose: true });
    const other = new Conntrack({ loose: true });
    const of = connection();
    const kept = established(other, of);
    established(table, of);
    established(other, of).generation = -1;
    table.flush();
    expect(table.find(packet('data'), of, 1)).toBeUndefined();
    expect(other.find(packet('data'), of, 1)).toBe(kept);
  });
});

describe('source ports', () => {
  const taken = (ports: SourcePorts, count: number, answererPort: number, fullyRandom = true) => {
    const table = new Conntrack({ loose: true });
    const found: (number | undefined)[] = [];
    for (let index = 0; index < count; index++) {
      const entry = new ConntrackEntry(table, connection(), packet('syn', { source: index }), 0);
      Object.assign(entry, { answerer: 3, answererPort });
      found.push(ports.take(entry, fullyRandom, 0));
    }
    return found;
  };

  it('are never given twice for one endpoint, and again for another', () => {
    const ports = new SourcePorts(new Random(1));
    const first = taken(ports, 5000, 8080);
    expect(new Set(first).size).toBe(5000);
    expect(first.every((port) => port !== undefined && port >= 1024 && port <= 65_535)).toBe(true);
    expect(taken(ports, 5000, 8081)).not.toContain(undefined);
  });

  it('are the client’s own where that is free and randomness is not asked for', () => {
    const [first, second] = taken(new SourcePorts(new Random(1)), 2, 8080, false);
    expect(first).toBe(40_000);
    expect(second).not.toBe(40_000);
  });

  it('come back when their connection is forgotten', () => {
    const ports = new SourcePorts(new Random(1));
    const table = new Conntrack({ loose: true });
    const take = (now: number) => {
      const entry = new ConntrackEntry(table, connection(), packet('syn'), now);
      return ports.take(entry, false, now);
    };
    expect(take(0)).toBe(40_000);
    expect(take(120_000)).not.toBe(40_000);
    expect(take(120_001)).toBe(40_000);
  });
});
