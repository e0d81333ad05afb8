import type { Axes } from '../../../harness/contracts/axes.ts';
import type { BalancerEntry, HealthCheck, Held, Range } from '../../../harness/platforms/balancer-entry.ts';
import { BALANCERS } from '../../../harness/platforms/balancers.ts';
import type { Random } from '../../../harness/statistics/random.ts';
import type { Millis } from '../../../harness/time/duration.ts';
import type { BalancerProgram } from './balancer-program.ts';
import { lookupTable } from './lookup-table.ts';
import type { Member } from './members.ts';

/** What a Service of type LoadBalancer and the cluster ask of the balancer. */
export interface PoolConfig {
  readonly service: string;
  readonly address: string;
  readonly port: number;
  readonly kind: Axes['balancer'];
  readonly policy: 'Cluster' | 'Local';
  readonly affinity: 'None' | 'ClientIP';
  /** The Service's healthCheckNodePort, and its nodePort for this port: what a check may ask. */
  readonly healthCheckPort: number;
  readonly nodePort: number;
  /** Draws the times that differ from backend to backend. */
  readonly random: Random;
}

/** One forwarding rule with its backends and what their health checks have said; change it by the functions here only. */
export interface Pool {
  readonly config: PoolConfig;
  readonly backends: readonly Backend[];
  readonly generation: number;
  /** What the packets meet, derived from all the above. */
  readonly program: BalancerProgram;
}

export interface Backend extends Member {
  readonly healthy: boolean;
  /** The flows that it holds get what an unhealthy backend's get; not so of one that comes back while it drains. */
  readonly failing: boolean;
  /** Good results in a row that speak against this, or bad ones, below zero; counted in place because no packet ever sees it. */
  streak: number;
  /** It takes nothing, and is not asked, before. */
  readonly registered: Millis;
  /** It is no member any more. */
  readonly leaving?: {
    /** Until then it takes new flows all the same. */
    readonly takesUntil: Millis;
    /** Until then it keeps its tracked flows. */
    readonly keepsUntil: Millis;
  };
}

/** kube-proxy's own health answer (FACTS B5). */
const PROXY_HEALTH_PORT = 10_256;

const entryOf = ({ config }: Pool): BalancerEntry => BALANCERS[config.kind];

/**
 * A new forwarding rule with its backends. A backend counts as unhealthy until its first good answers ("backends that
 * respond successfully for the configured number of times are considered healthy", Google Cloud, health checks
 * overview); where nobody is asked it counts as healthy.
 */
export function createPool(config: PoolConfig, members: readonly Member[], now: Millis): Pool {
  return build(
    config,
    members.map((member) => fresh(member, config, now)),
    { generation: 1, now },
  );
}

/** How the balancer asks a backend: HTTP on a port of its node, or a TCP handshake; undefined: not at all. */
export function healthCheck(
  { config }: Pool,
  { pod }: Member,
): (HealthCheck & { readonly port: number }) | undefined {
  const check = BALANCERS[config.kind].checks[config.policy];
  if (check === undefined) return undefined;
  const ports = {
    'kube-proxy': PROXY_HEALTH_PORT,
    'health-check-node-port': config.healthCheckPort,
    'traffic-port': pod?.port ?? config.nodePort,
  };
  return { ...check, port: ports[check.asks] };
}

/**
 * Takes in one result of a backend's health check. Returns the very same pool as long as nothing changed that the
 * program shows (results that are below their threshold are counted in place); unknown backends are ignored.
 */
export function observe(pool: Pool, name: string, ok: boolean, now: Millis): Pool {
  const backend = pool.backends.find((one) => one.name === name);
  const check = backend && healthCheck(pool, backend);
  if (backend === undefined || check === undefined || now < backend.registered) return pool;
  const isKnown = ok ? backend.healthy : backend.failing;
  backend.streak = isKnown ? 0 : ok ? Math.max(backend.streak, 0) + 1 : Math.min(backend.streak, 0) - 1;
  if (isKnown || Math.abs(backend.streak) < (ok ? check.healthyThreshold : check.unhealthyThreshold))
    return pool;
  const turned = { healthy: ok, failing: !ok, streak: 0 };
  return rebuild(
    pool,
    pool.backends.map((one) => (one === backend ? { ...one, ...turned } : one)),
    now,
  );
}

/** The members have changed: new ones register, those that left take and keep flows for as long as the entry says. */
export function setMembers(pool: Pool, members: readonly Member[], now: Millis): Pool {
  const { held, times } = entryOf(pool);
  const wanted = new Set(members.map(({ name }) => name));
  const known = new Map(pool.backends.map((backend) => [backend.name, backend]));
  const staying = members.map((member) => {
    const backend = known.get(member.name);
    if (backend === undefined) return fresh(member, pool.config, now);
    if (backend.leaving === undefined) return backend;
    return { ...fresh(member, pool.config, now), failing: backend.failing };
  });
  const leaving = pool.backends
    .filter(({ name }) => !wanted.has(name))
    .map((backend) => ({
      leaving: {
        takesUntil: now + draw(pool.config, times.takesOn, `${backend.name}/leaves/${now}`),
        keepsUntil: held.left === 'kept' ? Number.POSITIVE_INFINITY : now + times.drain,
      },
      ...backend,
    }))
    .filter((backend) => !isOver(backend, now));
  const backends = [...staying, ...leaving];
  const same =
    backends.length === pool.backends.length &&
    backends.every((backend, index) => {
      const before = pool.backends[index] as Backend;
      return backend.name === before.name && backend.leaving === before.leaving;
    });
  return same ? pool : rebuild(pool, backends, now);
}

/** The Service asks for something else, which the balancer changes in place: backends, health and tracked flows stay. */
export function reconfigure(pool: Pool, config: PoolConfig, now: Millis): Pool {
  for (const backend of pool.backends) backend.streak = 0;
  return rebuild({ ...pool, config }, pool.backends, now);
}

/**
 * The cloud controller deletes the forwarding rule and makes it anew (FACTS A4): nothing is tracked any more and every
 * backend must prove its health again.
 */
export function recreate(pool: Pool, config: PoolConfig, members: readonly Member[], now: Millis): Pool {
  return build(
    config,
    members.map((member) => fresh(member, config, now)),
    { generation: pool.generation + 1, now },
  );
}

/** When time alone will change what the program shows; undefined: never. */
export function nextChange(pool: Pool, now: Millis): Millis | undefined {
  const times = pool.backends
    .flatMap(({ registered, leaving }) => [
      registered,
      ...(leaving ? [leaving.takesUntil, leaving.keepsUntil] : []),
    ])
    .filter((time) => time > now && Number.isFinite(time));
  return times.length === 0 ? undefined : Math.min(...times);
}

/** Lets time have passed: who has registered, stopped taking or drained. */
export const pass = (pool: Pool, now: Millis): Pool =>
  rebuild(
    pool,
    pool.backends.filter((backend) => !isOver(backend, now)),
    now,
  );

/** What a hash-and-route box must do now; the same object as long as the pool has not changed. */
export const program = (pool: Pool): BalancerProgram => pool.program;

/** No backend is healthy, and new flows are spread over all of them. */
export const failOpen = (pool: Pool): boolean =>
  entryOf(pool).noneHealthy === 'all' &&
  pool.backends.some(({ leaving }) => leaving === undefined) &&
  pool.backends.every(({ healthy, leaving }) => leaving !== undefined || !healthy);

const draw = ({ random }: PoolConfig, [least, most]: Range, label: string): Millis =>
  least === most ? least : random.fork(label).integer(least, most + 1);

const fresh = (member: Member, config: PoolConfig, now: Millis): Backend => {
  const { checks, times } = BALANCERS[config.kind];
  return {
    ...member,
    healthy: checks[config.policy] === undefined,
    failing: checks[config.policy] !== undefined,
    streak: 0,
    registered: now + draw(config, times.registration, `${member.name}/joins/${now}`),
  };
};

const isOver = ({ leaving }: Backend, now: Millis) =>
  leaving !== undefined && leaving.takesUntil <= now && leaving.keepsUntil <= now;

/** What a packet gets whose entry names this backend. */
function heldBy({ held }: BalancerEntry, { failing, leaving }: Backend, now: Millis): Held {
  if (leaving !== undefined && leaving.keepsUntil <= now) return held.left;
  return failing ? held.unhealthy : 'kept';
}

const rebuild = ({ config, generation, program }: Pool, backends: readonly Backend[], now: Millis) =>
  build(config, backends, { generation, now, before: program });

function build(
  config: PoolConfig,
  backends: readonly Backend[],
  state: { readonly generation: number; readonly now: Millis; readonly before?: BalancerProgram },
): Pool {
  const { generation, now, before } = state;
  const entry = BALANCERS[config.kind];
  const taking = backends.filter(
    ({ registered, leaving }) => registered <= now && (leaving === undefined || leaving.takesUntil > now),
  );
  const healthy = taking.filter((backend) => backend.healthy);
  // "to the healthy instances with the best effort, or to all instances when no instance is healthy" (FACTS A3);
  // a backend service does the same with its new connections "as a last resort".
  const eligible = healthy.length === 0 && entry.noneHealthy === 'all' ? taking : healthy;
  const places = new Map(backends.map(({ name }, index) => [name, index]));
  const choices = lookupTable(entry.hash, {
    names: eligible.map(({ name }) => name),
    address: config.address,
    before:
      before === undefined ? [] : Array.from(before.table, (index) => before.backends[index]?.name ?? ''),
  });
  const left = entry.held.left === 'kept' ? 'moved' : entry.held.left;
  const program: BalancerProgram = {
    service: config.service,
    address: config.address,
    port: config.port,
    backends: backends.map((backend) => ({
      name: backend.name,
      node: backend.node,
      ...(backend.pod === undefined ? {} : { pod: backend.pod }),
      healthy: backend.healthy,
      held: heldBy(entry, backend, now),
    })),
    table: choices.map((choice) => places.get(eligible[choice]?.name ?? '') as number),
    hash: config.affinity === 'ClientIP' ? 'source-address' : 'four-tuple',
    tracking: { idle: entry.idle.after, unknown: entry.idle.next, left },
    generation,
  };
  return { config, backends, generation, program };
}
