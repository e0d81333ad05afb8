import type { Millis } from '../time/duration.ts';
import type { Platform } from './platform.ts';

/** A time that is drawn evenly from `[least, most]`. */
export type Range = readonly [least: Millis, most: Millis];

/** One value for a Service with externalTrafficPolicy Cluster, and one with Local. */
type ByPolicy<Value> = Readonly<Record<'Cluster' | 'Local', Value>>;

/**
 * Who is a backend. `nodes`: those that exist, as the cloud's service controller lists them; `untainted-nodes`: and are
 * not about to be deleted; `ready-nodes`: and are Ready; `nodes-with-staying-endpoint`: untainted, with one that is not
 * terminating; `nodes-with-serving-endpoint`: with one that is ready or serving; `nodes-while-serving`: all, as long
 * as there is such an endpoint anywhere; `pods`: the endpoints that are ready, themselves.
 */
export type Members =
  | 'nodes'
  | 'untainted-nodes'
  | 'ready-nodes'
  | 'nodes-with-staying-endpoint'
  | 'nodes-with-serving-endpoint'
  | 'nodes-while-serving'
  | 'pods';

/** What a balancer asks each backend, and how many answers in a row turn it. */
export interface HealthCheck {
  /**
   * GET /healthz on kube-proxy's own port (10256) or on the Service's healthCheckNodePort; or a TCP handshake with the
   * port that the traffic goes to: of a pod the pod's own, of a node the Service's nodePort.
   */
  readonly asks: 'kube-proxy' | 'health-check-node-port' | 'traffic-port';
  readonly interval: Millis;
  readonly timeout: Millis;
  readonly healthyThreshold: number;
  readonly unhealthyThreshold: number;
}

/** What becomes of a flow that was established: it stays, is hashed as if it were new, or its next packet is answered with RST. */
export type Held = 'kept' | 'moved' | 'reset';

/** One kind of balancer as data: the model, the analyses and the warnings read this and never ask for its name. */
export interface BalancerEntry extends Platform {
  readonly members: ByPolicy<Members>;
  /** Undefined: nobody is asked, and every member counts as healthy. */
  readonly checks: ByPolicy<HealthCheck | undefined>;
  /** Who takes new flows when no backend is healthy. */
  readonly noneHealthy: 'all' | 'nobody';
  /** How new flows (and moved ones) find a backend: `leader` is one backend for all, `modulo` plain ECMP. */
  readonly hash: 'maglev' | 'modulo' | 'resilient' | 'leader';
  readonly held: {
    readonly unhealthy: Held;
    /** Once a backend has left and its drain is over; `kept`: for as long as it answers. */
    readonly left: Held;
  };
  /** A flow without packets for this long is forgotten; its next one is then hashed anew or answered with RST. */
  readonly idle: { readonly after: Millis; readonly next: 'moved' | 'reset' };
  readonly times: {
    /** From a change of nodes or endpoints until the balancer has been told. */
    readonly told: Range;
    /** From a node's end without a word until the balancer's members know of it. */
    readonly vanished: Range;
    /** From becoming a member until the first health check. */
    readonly registration: Range;
    /** From leaving until no new flow comes any more. */
    readonly takesOn: Range;
    /** From leaving until held flows get `held.left`. */
    readonly drain: Millis;
  };
  /** Edits of a Service, beside that of its ports, for which the forwarding rule is deleted and made anew. */
  readonly recreatedBy: readonly ('policy' | 'affinity')[];
  /** What shows that a live Service has this balancer; any of them. */
  readonly signs: readonly Sign[];
  /** A command that shows what it thinks of its backends. */
  readonly inspect?: string;
}

/** Times that there are none of. */
export const AT_ONCE: Range = [0, 0];
export const NO_WAITS = { registration: AT_ONCE, takesOn: AT_ONCE, drain: 0 } as const;

/** A health check; one good answer is enough unless `healthyThreshold` says otherwise. */
export const check = (
  asks: HealthCheck['asks'],
  interval: Millis,
  timeout: Millis,
  unhealthyThreshold: number,
  healthyThreshold = 1,
): HealthCheck => ({ asks, interval, timeout, healthyThreshold, unhealthyThreshold });

/** All of these together say which balancer a Service has. */
export interface Sign {
  /** Scheme of the nodes' providerID. */
  readonly provider?: string;
  readonly annotations?: Readonly<Record<string, RegExp>>;
  readonly finalizer?: string;
  readonly loadBalancerClass?: string;
  /** How the names of its agents' DaemonSets or pods in kube-system begin. */
  readonly agent?: string;
}

/** kube-proxy takes up to this long from a change of the endpoints to what its health port answers (its minSyncPeriod). */
const PROXY_SYNC: Millis = 1000;

/** When, and how, a balancer takes its flows from a node under a policy after the node has lost its last endpoint. */
export interface Removal {
  /** No new flows come from this moment on, at the earliest and at the latest. */
  readonly least: Millis;
  readonly most: Millis;
  /** What held flows get, and how much later. */
  readonly held: Held;
  readonly drain: Millis;
}

/**
 * From the end of a node's last endpoint to the moment when a balancer sends no new flows there; undefined where it
 * never does. Members that go by endpoints leave, others fail their checks if these ask about endpoints.
 */
export function removalOf(entry: BalancerEntry, policy: 'Cluster' | 'Local'): Removal | undefined {
  const { times, held } = entry;
  const leaving: readonly Members[] = ['nodes-with-staying-endpoint', 'nodes-with-serving-endpoint', 'pods'];
  if (leaving.includes(entry.members[policy])) {
    const most = times.told[1] + times.takesOn[1];
    return { least: times.told[0], most, held: held.left, drain: times.drain };
  }
  const asked = entry.checks[policy];
  if (asked === undefined || asked.asks === 'kube-proxy') return undefined;
  const { interval, timeout, unhealthyThreshold } = asked;
  return {
    least: (unhealthyThreshold - 1) * interval,
    most: unhealthyThreshold * interval + timeout + PROXY_SYNC,
    held: held.unhealthy,
    drain: 0,
  };
}

/** After how long at most every held flow has met what becomes of it, once the Service has lost its last endpoint. */
export const settlesAfter = (entry: BalancerEntry, policy: 'Cluster' | 'Local'): Millis => {
  const { most, held, drain } = removalOf(entry, policy) ?? { most: 0, held: 'kept', drain: 0 };
  return most + (held === 'kept' ? 0 : drain);
};

/** What a live cluster tells about a Service and whoever balances it. */
export interface Seen {
  readonly provider: string | undefined;
  readonly agents: readonly string[];
  readonly annotations: Readonly<Record<string, string>>;
  readonly finalizers: readonly string[];
  readonly loadBalancerClass: string | undefined;
}

/**
 * How strongly a sign speaks, 0 where it does not hold: a class says more than a finalizer, that more than an
 * annotation, that more than where the nodes run (the order of ingress-gce pkg/l4/controllers/l4netlbcontroller.go).
 */
export function strengthOf(sign: Sign, seen: Seen): number {
  const { provider, annotations = {}, finalizer, loadBalancerClass, agent } = sign;
  const asked = Object.entries(annotations);
  const holds =
    (provider === undefined || provider === seen.provider) &&
    (finalizer === undefined || seen.finalizers.includes(finalizer)) &&
    (loadBalancerClass === undefined || loadBalancerClass === seen.loadBalancerClass) &&
    (agent === undefined || seen.agents.some((name) => name.startsWith(agent))) &&
    asked.every(([name, value]) => value.test(seen.annotations[name] ?? ''));
  if (!holds) return 0;
  const here = (provider === undefined ? 0 : 1) + (agent === undefined ? 0 : 1);
  return (
    here + asked.length * 2 + (finalizer === undefined ? 0 : 8) + (loadBalancerClass === undefined ? 0 : 16)
  );
}
