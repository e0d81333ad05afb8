import type { Millis } from '../time/duration.ts';
import type { Platform } from './platform.ts';
import { documented, inferred, observed, read, unproven } from './properties.ts';

/** What a new connection to a Service meets on a node that has nothing to send it to; `none`: the node's own stack. */
export type Refusal = 'none' | 'drop' | 'reject';

interface OnNodes extends Platform {
  /** With no endpoint anywhere, and with endpoints on other nodes only (policy Local). */
  readonly refusal: { readonly nowhere: Refusal; readonly elsewhere: Refusal };
  /** Least time between two syncs of a node's rules. */
  readonly minSyncPeriod: Millis;
  /** An established connection that is silent for longer is forgotten, and what becomes of its next packet. */
  readonly idle: { readonly after: Millis; readonly nextPacket: string };
}

/** A mode of kube-proxy, whose rules are those of the release of Kubernetes that is played. */
interface KubeProxy extends OnNodes {
  readonly mode: 'iptables' | 'nftables' | 'ipvs';
  /** The first release whose rules are held here; absent: all that are modelled. */
  readonly since?: string;
  /** The release whose kube-proxy is modelled, where it is not the one that is played. */
  readonly asOf?: '1.22';
}

/** Cilium in place of kube-proxy: which endpoints are backends, and what their connections need. */
export interface Cilium extends OnNodes {
  readonly mode: 'cilium';
  /** An endpoint that is neither ready nor terminating keeps its backend entry, and with it its connections. */
  readonly keepsUnready: boolean;
  /** So does one that terminates and no longer serves. */
  readonly keepsNotServing: boolean;
  /** While no backend is active, those that terminate and serve take new connections. */
  readonly terminatingTakeNew: boolean;
  /** A Service that nobody takes new connections for loses its established ones as well. */
  readonly establishedNeedActive: boolean;
  readonly heedsInternalPolicy: boolean;
}

export type Dataplane = KubeProxy | Cilium;

const HOUR: Millis = 3_600_000;

const FLUSHES_NOTHING = observed(
  'an established connection stays with its pod whatever becomes of the endpoint: TCP entries are never flushed',
  'k8s pkg/proxy/conntrack/cleanup.go; played through a Linux kernel',
);
const REFUSES = observed(
  'without an endpoint a new connection is rejected (ICMP), without one on this node under policy Local dropped',
  'k8s pkg/proxy; dumps of kube-proxy 1.20.2 and 1.36.3',
);
const FALLS_BACK = read(
  'from Kubernetes 1.26 on, where no endpoint is ready, those that terminate and still serve get new connections',
  'KEP-1669; k8s pkg/proxy/topology.go',
);
const DAY = documented(
  'a silent connection is remembered for 24 h',
  'kube-proxy --conntrack-tcp-timeout-established',
);

const idle = (after: Millis) => ({ after, nextPacket: 'is balanced as if it were new' });

/** What kube-proxy's iptables and nftables modes share: rules for new connections before the kernel's conntrack. */
const NETFILTER = {
  refusal: { nowhere: 'reject', elsewhere: 'drop' },
  minSyncPeriod: 1000,
  idle: idle(24 * HOUR),
} as const;

const UNSELECTED = observed(
  'a pod that no Service selects any more loses its backend entry, and every connection with it, at once; a second Service with the same pod and port keeps it',
  'cilium#23761, cilium#27726; pkg/loadbalancer backendStates.refCount',
);
const UNREADY_CUT = read(
  'so does a pod that is not ready and does not terminate',
  'cilium pkg/k8s/endpoints.go ParseEndpointSliceV1; cilium#42170',
);
const SERVING_KEPT = read('a terminating pod that still serves keeps its connections', 'cilium#17716');
const NOT_SERVING_CUT = read(
  'a terminating pod loses them once its readiness fails',
  'cilium#24174, cilium#40969; pkg/k8s/endpoints.go',
);
const TAKE_NEW = read(
  'with no active backend left connections are kept, and those that terminate and serve take new ones',
  'cilium#31840; pkg/service/service.go, pkg/loadbalancer/reconciler/bpf_reconciler.go',
);
const ICMP = read(
  'without a backend a packet is answered with ICMP unreachable',
  'cilium --service-no-backend-response=reject (cilium#28157)',
);
const IDLE_6H = inferred(
  'a silent connection is remembered for 6 h; its next packet is then balanced as if it were new',
  'cilium#27665 (8000 s since August 2023)',
);
const IDLE_8000S = read(
  'a silent connection is remembered for 8000 s; its next packet is then balanced as if it were new',
  'cilium --bpf-ct-timeout-service-tcp, --bpf-ct-timeout-regular-tcp; what follows is inferred',
);

const REJECTS = { nowhere: 'reject', elsewhere: 'reject' } as const;

/** Cilium 1.16 to 1.18, which 1.19 differs from in what it keeps. */
const SINCE_1_16 = {
  mode: 'cilium',
  keepsUnready: false,
  keepsNotServing: false,
  terminatingTakeNew: true,
  establishedNeedActive: false,
  heedsInternalPolicy: true,
  refusal: REJECTS,
  minSyncPeriod: 0,
  idle: idle(8_000_000),
  properties: [UNSELECTED, UNREADY_CUT, SERVING_KEPT, NOT_SERVING_CUT, TAKE_NEW, ICMP, IDLE_8000S],
} as const;

/** Everything that may turn Services into rules on the nodes, by its name as a value of `--proxy`. */
export const DATAPLANES = {
  iptables: {
    ...NETFILTER,
    title: 'kube-proxy, iptables',
    versions:
      'kube-proxy of the release played: Kubernetes 1.20 to 1.23 (compared with 1.20.2), 1.24 on (compared with 1.36.3)',
    mode: 'iptables',
    properties: [FLUSHES_NOTHING, REFUSES, FALLS_BACK, DAY],
  },
  nftables: {
    ...NETFILTER,
    title: 'kube-proxy, nftables',
    versions: 'kube-proxy 1.34 on (compared with 1.36.3); the rules of 1.31 to 1.33 differ and are not held',
    mode: 'nftables',
    since: '1.34',
    properties: [FLUSHES_NOTHING, REFUSES, FALLS_BACK, DAY],
  },
  ipvs: {
    title: 'kube-proxy, IPVS',
    versions: 'kube-proxy 1.20.2, played for every release; deprecated since 1.35',
    mode: 'ipvs',
    asOf: '1.22',
    refusal: { nowhere: 'none', elsewhere: 'none' },
    minSyncPeriod: 0,
    idle: { after: HOUR / 4, nextPacket: 'is answered with a reset' },
    properties: [
      read(
        'a removed endpoint stays as a real server of weight 0 while it has connections, which it keeps',
        'k8s 1.20.2 pkg/proxy/ipvs/graceful_termination.go',
      ),
      read(
        'an unknown connection is answered by the node itself, with a reset',
        'linux net/netfilter/ipvs/ip_vs_core.c; k8s pkg/proxy/ipvs holds the addresses on kube-ipvs0',
      ),
      read(
        'a silent connection is forgotten after 15 minutes',
        'linux net/netfilter/ipvs/ip_vs_proto_tcp.c; kubernetes#80298',
      ),
    ],
  },
  'cilium-1.12': {
    title: 'Cilium 1.12',
    versions: 'Cilium 1.11 and 1.12',
    mode: 'cilium',
    keepsUnready: false,
    keepsNotServing: true,
    terminatingTakeNew: false,
    establishedNeedActive: false,
    heedsInternalPolicy: false,
    refusal: { nowhere: 'none', elsewhere: 'none' },
    minSyncPeriod: 0,
    idle: idle(6 * HOUR),
    properties: [
      UNSELECTED,
      UNREADY_CUT,
      SERVING_KEPT,
      inferred(
        'so does one that no longer serves',
        'cilium pkg/k8s/endpoints.go, the v1beta1 parse; v1 by analogy',
      ),
      read(
        'without an active backend a new connection is not treated as a Service and goes up the node’s own stack',
        'cilium bpf/lib/lb.h lb4_lookup_service; cilium#21453',
      ),
      inferred(
        'held connections to terminating pods go on without an active backend',
        'cilium#32815 (1.12.9); cilium#23744 saw them reset by the node',
      ),
      IDLE_6H,
      unproven('internalTrafficPolicy is not heeded', 'no document or source was found'),
    ],
  },
  'cilium-1.13': {
    title: 'Cilium 1.13',
    versions:
      'Cilium 1.13.2 to 1.15 before the backports of cilium#31840 (1.15 in April, 1.13 in July 2024), from which on they keep what 1.16 keeps',
    mode: 'cilium',
    keepsUnready: false,
    keepsNotServing: false,
    terminatingTakeNew: false,
    establishedNeedActive: true,
    heedsInternalPolicy: true,
    refusal: { nowhere: 'drop', elsewhere: 'drop' },
    minSyncPeriod: 0,
    idle: idle(6 * HOUR),
    properties: [
      UNSELECTED,
      UNREADY_CUT,
      SERVING_KEPT,
      NOT_SERVING_CUT,
      inferred(
        'a Service that loses its last active backend drops every packet, those of connections to terminating pods as well',
        'cilium#22388, undone by cilium#31840; where they still serve, the fallback of cilium#24174 may hide it',
      ),
      documented('without a backend a packet is dropped', 'cilium#22388, release note'),
      IDLE_6H,
    ],
  },
  'cilium-1.16': { ...SINCE_1_16, title: 'Cilium 1.16', versions: 'Cilium 1.16 and 1.17' },
  'cilium-1.18': {
    ...SINCE_1_16,
    title: 'Cilium 1.18',
    versions: 'Cilium 1.18 before cilium#42708 (November 2025: 1.18.4 or later has it)',
  },
  'cilium-1.19': {
    ...SINCE_1_16,
    title: 'Cilium 1.19',
    versions: 'Cilium 1.18 with cilium#42708, 1.19 and 1.20',
    keepsUnready: true,
    keepsNotServing: true,
    properties: [
      UNSELECTED,
      read(
        'a pod that is not ready stays in the backend map, in maintenance: it keeps its connections and gets no new ones',
        'cilium#42170, cilium#42708; pkg/loadbalancer/reconciler/bpf_reconciler.go',
      ),
      read('a terminating pod keeps its connections whether it serves or not', 'cilium#40969, cilium#41234'),
      TAKE_NEW,
      ICMP,
      IDLE_8000S,
    ],
  },
} as const satisfies Readonly<Record<string, Dataplane>>;

export type DataplaneName = keyof typeof DATAPLANES;

export const dataplane = (name: DataplaneName): Dataplane => DATAPLANES[name];

/** The minor release in a version's text. */
const minorOf = (text: string) => Number(/(?:^|\D)1\.(\d+)/.exec(text)?.[1] ?? Number.NaN);

/** The entry that stands for a version of Cilium, such as an image's tag (`v1.17.3`): the newest that is not newer; undefined where it names none. */
export function ciliumOf(version: string): DataplaneName | undefined {
  const names = (Object.keys(DATAPLANES) as DataplaneName[]).filter(
    (name) => dataplane(name).mode === 'cilium',
  );
  const minor = minorOf(version);
  return Number.isNaN(minor) ? undefined : (names.findLast((name) => minorOf(name) <= minor) ?? names[0]);
}
