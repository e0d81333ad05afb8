import type { Axes } from '../../../harness/contracts/axes.ts';
import type { Millis } from '../../../harness/time/duration.ts';
import type { BalancerProgram } from './balancer-program.ts';
import { BALANCERS } from './balancers.ts';
import { maglev } from './maglev.ts';

/** What a Service of type LoadBalancer and the cluster ask of the balancer. */
export interface PoolConfig {
  readonly service: string;
  readonly address: string;
  readonly port: number;
  readonly kind: Axes['balancer'];
  /** Target pool only: whether a tracked flow leaves a node that has become unhealthy. */
  readonly stickiness: Axes['balancerStickiness'];
  readonly policy: 'Cluster' | 'Local';
  readonly affinity: 'None' | 'ClientIP';
  /** The Service's healthCheckNodePort; asked when the policy is Local. */
  readonly healthCheckPort: number;
  readonly nodes: readonly string[];
}

/** One forwarding rule with its backends and what their health checks have said; change it by the functions here only. */
export interface Pool {
  readonly config: Omit<PoolConfig, 'nodes'>;
  readonly backends: readonly Backend[];
  readonly generation: number;
  /** What the packets meet, derived from all the above. */
  readonly program: BalancerProgram;
}

interface Backend {
  readonly node: string;
  readonly healthy: boolean;
  /** Results in a row that speak against `healthy`; counted in place because no packet ever sees it. */
  streak: number;
  /** The node was taken from the set and keeps only its tracked flows until then. */
  readonly drainsUntil?: Millis;
}

/** kube-proxy's own health answer, the check of every Service with externalTrafficPolicy Cluster (FACTS B5). */
const PROXY_HEALTH_PORT = 10256;

/** An external passthrough balancer forgets a tracked flow that was silent for a minute (FACTS A3). */
const TRACKING_IDLE: Millis = 60_000;

/**
 * A new forwarding rule with its backends. A backend counts as unhealthy until its first good answer ("backends that
 * respond successfully for the configured number of times are considered healthy", Google Cloud, health checks
 * overview); with no answer yet from anybody the pool spreads over all (`failOpen`).
 */
export function createPool(config: PoolConfig): Pool {
  const { nodes, ...rest } = config;
  return build(rest, nodes.map(fresh), 1);
}

/** How the balancer asks each node; times in milliseconds, thresholds in results in a row (GKE's constants, FACTS A2). */
export function healthCheck({ config }: Pool): {
  readonly port: number;
  readonly interval: Millis;
  readonly timeout: Millis;
  readonly healthyThreshold: number;
  readonly unhealthyThreshold: number;
} {
  const perService = config.policy === 'Local';
  const pace = BALANCERS[config.kind].checks[config.policy];
  return {
    port: perService ? config.healthCheckPort : PROXY_HEALTH_PORT,
    interval: pace.interval,
    timeout: 1000,
    healthyThreshold: 1,
    unhealthyThreshold: pace.unhealthyThreshold,
  };
}

/**
 * Takes in one result of a node's health check. Returns the very same pool as long as nothing changed that the
 * program shows (results that are below their threshold are counted in place); unknown nodes are ignored.
 */
export function observe(pool: Pool, node: string, ok: boolean, now: Millis): Pool {
  const { healthyThreshold, unhealthyThreshold } = healthCheck(pool);
  const backend = pool.backends.find((one) => one.node === node && one.drainsUntil === undefined);
  let turned = false;
  if (backend !== undefined) {
    backend.streak = ok === backend.healthy ? 0 : backend.streak + 1;
    turned = backend.streak >= (ok ? healthyThreshold : unhealthyThreshold);
  }
  const drained = pool.backends.some((one) => isDrained(one, now));
  if (!turned && !drained) return pool;
  const backends = pool.backends
    .filter((one) => !isDrained(one, now))
    .map((one) => (turned && one === backend ? { node, healthy: ok, streak: 0 } : one));
  return build(pool.config, backends, pool.generation);
}

/**
 * The set of nodes has changed. New ones begin unhealthy; a backend service keeps the tracked flows of removed
 * ones for 30 s (it forgets them at the first `observe` or `setNodes` after that), a target pool drops them at once.
 */
export function setNodes(pool: Pool, nodes: readonly string[], now: Millis): Pool {
  const wanted = new Set(nodes);
  const known = new Map(pool.backends.map((backend) => [backend.node, backend]));
  const staying = nodes.map((node) => {
    const backend = known.get(node);
    return backend === undefined || backend.drainsUntil !== undefined ? fresh(node) : backend;
  });
  const leaving = pool.backends
    .filter(({ node }) => !wanted.has(node))
    .map((backend) => ({ drainsUntil: now + BALANCERS[pool.config.kind].draining, ...backend }))
    .filter((backend) => !isDrained(backend, now));
  const backends = [...staying, ...leaving];
  const same =
    backends.length === pool.backends.length &&
    backends.every((backend, index) => {
      const before = pool.backends[index] as Backend;
      return backend.node === before.node && backend.drainsUntil === before.drainsUntil;
    });
  return same ? pool : build(pool.config, backends, pool.generation);
}

/**
 * The cloud controller deletes the forwarding rule and makes it anew, as it does when ports, affinity or policy of
 * the Service change (FACTS A4): nothing is tracked any more and every backend must prove its health again.
 */
export function recreate(pool: Pool, changes: Partial<PoolConfig>, now: Millis): Pool {
  const { nodes, ...config } = changes;
  const present = pool.backends.filter((one) => one.drainsUntil === undefined && !isDrained(one, now));
  const names = nodes ?? present.map(({ node }) => node);
  return build({ ...pool.config, ...config }, names.map(fresh), pool.generation + 1);
}

/** What a hash-and-route box must do now; the same object as long as the pool has not changed. */
export const program = (pool: Pool): BalancerProgram => pool.program;

/** No backend is healthy, so new flows (and, where tracking does not persist, old ones) are spread over all of them. */
export function failOpen(pool: Pool): boolean {
  const taking = pool.backends.filter((backend) => backend.drainsUntil === undefined);
  return taking.length > 0 && taking.every((backend) => !backend.healthy);
}

const fresh = (node: string): Backend => ({ node, healthy: false, streak: 0 });

const isDrained = ({ drainsUntil }: Backend, now: Millis) => drainsUntil !== undefined && drainsUntil <= now;

function build(config: Pool['config'], backends: readonly Backend[], generation: number): Pool {
  const taking = [...backends.keys()].filter((index) => backends[index]?.drainsUntil === undefined);
  const healthy = taking.filter((index) => backends[index]?.healthy);
  // "to the healthy instances with the best effort, or to all instances when no instance is healthy" (FACTS A3);
  // a backend service does the same with its new connections "as a last resort".
  const eligible = healthy.length > 0 ? healthy : taking;
  const table = maglev(eligible.map((index) => (backends[index] as Backend).node));
  const persists = BALANCERS[config.kind].persists === 'always' || config.stickiness === 'persist';
  const program: BalancerProgram = {
    service: config.service,
    address: config.address,
    port: config.port,
    nodes: backends.map(({ node }) => node),
    healthy: backends.map((backend) => backend.healthy),
    table: table.map((choice) => eligible[choice] as number),
    hash: config.affinity === 'ClientIP' ? 'source-address' : 'four-tuple',
    tracking: { idle: TRACKING_IDLE, keep: persists ? 'always' : 'while-healthy' },
    generation,
  };
  return { config, backends, generation, program };
}
