import { describe, expect, it } from 'vitest';
import { DATAPLANES, type DataplaneName, dataplane } from '../../../harness/platforms/dataplanes.ts';
import { Random } from '../../../harness/statistics/random.ts';
import { rulesOf, type WebEndpoint } from '../../control-plane/kube-proxy/kube-proxy.fixture.ts';
import type { CiliumRules } from '../../control-plane/kube-proxy/rules.ts';
import { Cilium } from './cilium.ts';
import type { Connection } from './conntrack.ts';
import { formatAddress, parseAddress } from './ipv4.ts';
import type { Packet, PacketKind } from './packet.ts';

const VIP = '172.18.255.200';
const OTHER: WebEndpoint = { address: '10.244.1.3', node: 'node-1' };
const pod = (state: WebEndpoint['state'] = 'ready'): WebEndpoint => ({
  address: '10.244.1.2',
  node: 'node-1',
  state,
});

/** One node, one client and one Service of two pods, both on that node. */
function laboratory(name: DataplaneName) {
  const { idle } = dataplane(name);
  const here = (address: number) => formatAddress(address).startsWith('10.244.1.');
  const node = { address: parseAddress('172.18.1.1'), isLocal: () => true, isOwnPod: here };
  const cilium = new Cilium({ node, random: new Random(1), idle: idle.after });
  let ports = 40_000;
  const connect = (): Connection & { port: number } => ({
    port: ports++,
    walk: 0,
    newest: undefined,
    touch() {},
  });
  const client = parseAddress('100.64.0.1');
  return {
    idle: idle.after,
    connect,
    endpoints(...endpoints: WebEndpoint[]) {
      cilium.program(rulesOf(name, {}, endpoints).rules as CiliumRules);
    },
    /** Where a packet of this connection goes: a pod's address, or what becomes of it instead. */
    send(connection: ReturnType<typeof connect>, kind: PacketKind, now = 0): string {
      const packet: Packet = {
        source: client,
        sourcePort: connection.port,
        destination: parseAddress(VIP),
        destinationPort: 80,
        kind,
        mark: 0,
      };
      const fate = cilium.receive(packet, connection, now);
      return fate === 'forward' ? formatAddress(packet.destination) : fate;
    },
    /** The pod accepts this connection. */
    accept({ port, ...connection }: ReturnType<typeof connect>) {
      const from = { source: parseAddress(pod().address), sourcePort: 8080 };
      const to = { destination: client, destinationPort: port };
      expect(cilium.receive({ ...from, ...to, kind: 'syn-ack', mark: 0 }, connection, 0)).toBe('forward');
    },
  };
}

/** A connection to the pod, held since before its endpoint became what `after` says. */
function held(name: DataplaneName, ...after: WebEndpoint[]) {
  const lab = laboratory(name);
  lab.endpoints(pod());
  const connection = lab.connect();
  expect(lab.send(connection, 'syn')).toBe(pod().address);
  lab.accept(connection);
  expect(lab.send(connection, 'data')).toBe(pod().address);
  lab.endpoints(...after);
  return { held: lab.send(connection, 'data', 1000), new: lab.send(lab.connect(), 'syn', 1000) };
}

const KEPT = pod().address;
const CUT = OTHER.address;

/** FACTS-2026, section 5: a held connection beside an active pod; then with no active one; then what nobody answers gets. */
const EXPECTED = {
  'cilium-1.12': {
    unready: CUT,
    draining: KEPT,
    dying: KEPT,
    last: { held: KEPT, new: 'local' },
    none: 'local',
  },
  'cilium-1.13': {
    unready: CUT,
    draining: KEPT,
    dying: CUT,
    last: { held: 'drop', new: 'drop' },
    none: 'drop',
  },
  'cilium-1.16': {
    unready: CUT,
    draining: KEPT,
    dying: CUT,
    last: { held: KEPT, new: KEPT },
    none: 'reject',
  },
  'cilium-1.18': {
    unready: CUT,
    draining: KEPT,
    dying: CUT,
    last: { held: KEPT, new: KEPT },
    none: 'reject',
  },
  'cilium-1.19': {
    unready: KEPT,
    draining: KEPT,
    dying: KEPT,
    last: { held: KEPT, new: KEPT },
    none: 'reject',
  },
} as const;

it('expects something of every version', () => {
  const names = Object.keys(DATAPLANES).filter((name) => dataplane(name as DataplaneName).mode === 'cilium');
  expect(Object.keys(EXPECTED)).toEqual(names);
});

describe.each(Object.entries(EXPECTED))('%s', (text, expected) => {
  const name = text as keyof typeof EXPECTED;

  it.each(['unready', 'draining', 'dying'] as const)('a held connection to a pod that is %s', (state) => {
    expect(held(name, pod(state), OTHER)).toEqual({ held: expected[state], new: OTHER.address });
  });

  it('a held connection to a pod that no Service selects any more is cut', () => {
    expect(held(name, OTHER).held).toBe(CUT);
  });

  it('the last active pod terminates and still serves', () => {
    expect(held(name, pod('draining'))).toEqual(expected.last);
  });

  it('nobody is left', () => {
    expect(held(name)).toEqual({ held: expected.none, new: expected.none });
  });

  it('a connection that was silent for longer than it is remembered is balanced as if it were new', () => {
    const lab = laboratory(name);
    lab.endpoints(pod());
    const connection = lab.connect();
    lab.send(connection, 'syn');
    lab.accept(connection);
    lab.send(connection, 'data');
    lab.endpoints(pod('draining'), OTHER);
    expect(lab.send(connection, 'data', lab.idle)).toBe(KEPT);
    expect(lab.send(connection, 'data', 2 * lab.idle + 1)).toBe(OTHER.address);
  });
});
