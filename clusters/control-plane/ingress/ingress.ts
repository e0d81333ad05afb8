import type {
  KubernetesObject,
  V1EndpointSlice,
  V1Ingress,
  V1IngressServiceBackend,
  V1Service,
} from '@kubernetes/client-node';
import type { HopEnd, TimedEvent } from '../../../harness/contracts/event.ts';
import { formatDuration, type Millis } from '../../../harness/time/duration.ts';
import { SERVICE_NAME } from '../controllers/endpoint-slice.ts';
import { annotationsOf, createdAt, isDeleting, labelsOf, nameOf } from '../store/objects.ts';

/** The class that this controller serves; Ingresses of another, or of none, are not its business. */
const INGRESS_CLASS = 'nginx';
const ANNOTATION = 'nginx.ingress.kubernetes.io/';

/** proxy-read-timeout and proxy-send-timeout where no annotation says otherwise (ing docs/user-guide/miscellaneous.md). */
const PROXY_TIMEOUT: Millis = 60_000;
/** worker-shutdown-timeout: how long the workers of before a reload may keep their connections (ing configmap.md). */
export const WORKER_SHUTDOWN_TIMEOUT: Millis = 240_000;
/** How often each worker's Lua looks for new backends (ing rootfs/etc/nginx/lua/balancer.lua BACKENDS_SYNC_INTERVAL). */
export const BACKENDS_SYNC_INTERVAL: Millis = 1000;
/** --sync-rate-limit 0.3: the controller rebuilds its model at most this often (ing controller.go syncIngress). */
export const SYNC_INTERVAL: Millis = 3334;

/** One path of one host, as it stands in nginx.conf. */
export interface IngressLocation {
  /** Undefined: any host that has no locations of its own. */
  readonly host: string | undefined;
  readonly path: string;
  readonly match: 'exact' | 'prefix';
  /** Names one of `routes`. */
  readonly route: string;
  /** No byte either way for this long ends a proxied WebSocket. */
  readonly readTimeout: Millis;
  readonly tls: boolean;
}

/** Where the requests of a location go: each is decided on its own, by weight. */
export interface IngressRoute {
  readonly name: string;
  /** In the order in which the draw is compared with them; none: every request is answered 503. */
  readonly choices: readonly { readonly backend: string; readonly weight: number }[];
}

/** The ready endpoints of one Service port. */
export interface IngressBackend {
  readonly name: string;
  readonly endpoints: readonly IngressEndpoint[];
}

export interface IngressEndpoint {
  readonly address: string;
  readonly port: number;
}

/** What a reverse proxy in front of the gateways is told to do. */
export interface IngressConfig {
  /** Part of nginx.conf: a change needs a reload. */
  readonly locations: readonly IngressLocation[];
  /** Handed to the running workers' Lua, as the backends are: a change needs no reload. */
  readonly routes: readonly IngressRoute[];
  readonly backends: readonly IngressBackend[];
  /** Differs between two configurations exactly where going from one to the other reloads nginx. */
  readonly reloadKey: string;
}

/** What a proxy does to the connections it holds. */
export interface HopAct {
  readonly act: keyof typeof HOP_ACTS;
  readonly connections: number;
  /** When the reload was that left these connections to old workers. */
  readonly since?: Millis;
}

/** `kept`: the connections live on for now. */
const HOP_ACTS = {
  reload: {
    did: `reloads; connections stay with the old workers for at most ${formatDuration(WORKER_SHUTDOWN_TIMEOUT)}`,
    kept: true,
  },
  quit: {
    did: `quits; connections stay with its workers for at most ${formatDuration(WORKER_SHUTDOWN_TIMEOUT)}`,
    kept: true,
  },
  shutdown: {
    did: 'worker-shutdown-timeout is over: the old workers end their connections',
    ends: 'shutdown-timeout',
  },
  idle: { did: 'ends a connection that was silent for proxy-read-timeout', ends: 'idle' },
  killed: { did: 'is killed, and its connections with it', ends: 'ended' },
} as const satisfies Record<string, { did: string } & ({ kept: true } | { ends: HopEnd })>;

/** The same words for it from a modelled proxy and a real one. */
export function hopEvent(
  hop: string,
  { act, connections, since }: HopAct,
): Extract<TimedEvent, { type: 'hop' }> {
  const told = HOP_ACTS[act];
  return {
    type: 'hop',
    hop,
    did: told.did,
    connections,
    ...('kept' in told ? { kept: true } : { act: told.ends }),
    ...(since === undefined ? {} : { since }),
  };
}

/** The objects that an ingress controller watches. */
export interface IngressObjects {
  readonly ingresses: readonly V1Ingress[];
  readonly routes: readonly HTTPRoute[];
  readonly services: readonly V1Service[];
  readonly slices: readonly V1EndpointSlice[];
}

/** The part of gateway.networking.k8s.io/v1 HTTPRoute that is understood here. */
export interface HTTPRoute extends KubernetesObject {
  spec?: {
    parentRefs?: { name: string }[];
    hostnames?: string[];
    rules?: {
      matches?: { path?: { type?: 'Exact' | 'PathPrefix'; value?: string } }[];
      /** weight defaults to 1. */
      backendRefs?: { name: string; port?: number; weight?: number }[];
    }[];
  };
}

/** A weight total that is not above 100 is taken for 100 (ing balancer.lua route_to_alternative_balancer). */
const LEAST_WEIGHT_TOTAL = 100;

/**
 * The model that an ingress controller builds from its cluster.
 *
 * Ingresses are read as ingress-nginx reads them (ing internal/ingress/controller/controller.go): the oldest wins
 * a path; a canary Ingress makes no server and no location of its own, its Service is only an alternative that is
 * drawn per request. The reload comparison leaves the backends out (ing pkg/util/ingress/ingress.go
 * IsDynamicConfigurationEnough), so endpoints, weights and canaries that come and go are dynamic; a host, a path,
 * a timeout or the Service of an Ingress that is no canary reloads.
 *
 * HTTPRoutes are one object with weights per backend; only hosts and paths are taken to need a reload (FACTS F). The
 * API has no idle timeout, so nginx's own holds.
 */
export function ingressConfig(objects: IngressObjects): IngressConfig {
  const cluster = new Map(objects.services.map((service) => [nameOf(service), service]));
  const backends = new Map<string, IngressBackend>();
  const backend = (service: string, port: string | number | undefined): IngressBackend => {
    const name = `default-${service}-${port ?? ''}`;
    const known = backends.get(name);
    if (known !== undefined) return known;
    const made = { name, endpoints: endpointsOf(cluster.get(service), port, objects.slices) };
    backends.set(name, made);
    return made;
  };
  const ingresses = fromIngresses(objects.ingresses, cluster, backend);
  const routes = fromRoutes(objects.routes, backend);
  // The oldest rule wins a path; an Ingress wins over a HTTPRoute.
  const locations = distinct([...ingresses.locations, ...routes.locations], ({ host, path, match }) =>
    JSON.stringify([host, path, match]),
  ).sort(bySpecificity);
  return {
    locations: locations.map(({ identity: _identity, ...location }) => location),
    routes: [...ingresses.routes, ...routes.routes],
    backends: [...backends.values()],
    reloadKey: JSON.stringify(locations),
  };
}

/** `identity`: what else of the objects stands in nginx.conf (`$service_name` and the like). */
type Candidate = IngressLocation & { readonly identity: string };
type FindBackend = (service: string, port: string | number | undefined) => IngressBackend;

function fromIngresses(all: readonly V1Ingress[], services: Map<string, V1Service>, backend: FindBackend) {
  const rules = oldestFirst(all)
    .filter(({ spec }) => spec?.ingressClassName === INGRESS_CLASS)
    .flatMap((ingress) =>
      (ingress.spec?.rules ?? []).flatMap(({ host, http }) =>
        (http?.paths ?? []).flatMap(({ path = '/', pathType, backend: { service } }) =>
          service === undefined
            ? []
            : [
                {
                  ingress,
                  host,
                  path,
                  match: matchOf(pathType),
                  service,
                  to: backend(service.name, portOf(service)),
                },
              ],
        ),
      ),
    );
  const locations: Candidate[] = rules
    .filter(({ ingress }) => !isCanary(ingress))
    .map(({ ingress, host, path, match, service, to }) => ({
      host,
      path,
      match,
      route: to.name,
      readTimeout: readTimeoutOf(ingress),
      tls: (ingress.spec?.tls ?? []).some(({ hosts = [] }) => host !== undefined && hosts.includes(host)),
      identity: services.has(service.name) ? to.name : `${to.name} (missing)`,
    }));
  // The alternative hangs on the Service, not on the path: whatever else leads to that Service shares it.
  const routes = distinct(
    rules.filter(({ ingress }) => !isCanary(ingress)),
    ({ to }) => to.name,
  ).map(({ to: primary }): IngressRoute => {
    const canary = rules.find(
      ({ ingress, host, path, match }) =>
        isCanary(ingress) &&
        locations.some(
          (location) =>
            location.route === primary.name &&
            location.host === host &&
            location.path === path &&
            location.match === match,
        ),
    );
    return { name: primary.name, choices: canaryChoices(primary, canary?.to, canary?.ingress) };
  });
  return { locations, routes };
}

/**
 * Without an endpoint of its own the canary is passed over; without one of the primary's even a canary of full
 * weight is never reached, because the primary's balancer is looked up first (ing balancer.lua get_balancer).
 */
function canaryChoices(
  primary: IngressBackend,
  alternative: IngressBackend | undefined,
  canary: V1Ingress | undefined,
): IngressRoute['choices'] {
  if (primary.endpoints.length === 0) return [];
  if (alternative === undefined || canary === undefined || alternative.name === primary.name)
    return [{ backend: primary.name, weight: 1 }];
  if (alternative.endpoints.length === 0) return [{ backend: primary.name, weight: 1 }];
  const total = Math.max(LEAST_WEIGHT_TOTAL, numberAnnotation(canary, 'canary-weight-total', 0));
  const weight = Math.min(total, Math.max(0, numberAnnotation(canary, 'canary-weight', 0)));
  return [
    { backend: alternative.name, weight },
    { backend: primary.name, weight: total - weight },
  ];
}

function fromRoutes(all: readonly HTTPRoute[], backend: FindBackend) {
  const locations: Candidate[] = [];
  const routes: IngressRoute[] = [];
  for (const route of oldestFirst(all)) {
    for (const [index, rule] of (route.spec?.rules ?? []).entries()) {
      const name = `httproute/${nameOf(route)}/${index}`;
      routes.push({
        name,
        choices: (rule.backendRefs ?? []).map(({ name: service, port, weight = 1 }) => ({
          backend: backend(service, port).name,
          weight,
        })),
      });
      for (const host of route.spec?.hostnames ?? [undefined])
        for (const { path } of rule.matches ?? [{}])
          locations.push({
            host,
            path: path?.value ?? '/',
            match: path?.type === 'Exact' ? 'exact' : 'prefix',
            route: name,
            readTimeout: PROXY_TIMEOUT,
            tls: false,
            identity: name,
          });
    }
  }
  return { locations, routes };
}

/** EndpointSlices of the Service, ready ones only (ing internal/ingress/controller/endpointslices.go). */
export function endpointsOf(
  service: V1Service | undefined,
  port: string | number | undefined,
  slices: readonly V1EndpointSlice[],
): IngressEndpoint[] {
  const ports = service?.spec?.ports ?? [];
  const servicePort =
    port === undefined
      ? ports[0]
      : ports.find(
          (candidate) => candidate.port === port || candidate.name === port || candidate.targetPort === port,
        );
  if (service === undefined || servicePort === undefined) return [];
  const found = slices
    .filter((slice) => labelsOf(slice)[SERVICE_NAME] === nameOf(service))
    .flatMap((slice) => {
      const target = slice.ports?.find(({ name }) => (name ?? '') === (servicePort.name ?? ''))?.port;
      if (target === undefined) return [];
      return (slice.endpoints ?? []).flatMap(({ addresses, conditions }) =>
        conditions?.ready === false ? [] : addresses.map((address) => ({ address, port: target })),
      );
    });
  return distinct(found, ({ address, port: target }) => `${address}:${target}`).sort((one, other) =>
    one.address < other.address ? -1 : one.address > other.address ? 1 : one.port - other.port,
  );
}

const oldestFirst = <T extends KubernetesObject>(objects: readonly T[]) =>
  objects
    .filter((object) => !isDeleting(object))
    .sort((one, other) => createdAt(one) - createdAt(other) || (nameOf(one) < nameOf(other) ? -1 : 1));

const isCanary = (ingress: V1Ingress) => annotationsOf(ingress)[`${ANNOTATION}canary`] === 'true';
const matchOf = (pathType: string) => (pathType === 'Exact' ? ('exact' as const) : ('prefix' as const));
const portOf = ({ port }: V1IngressServiceBackend) => port?.number ?? port?.name;

function numberAnnotation(ingress: V1Ingress, name: string, fallback: number): number {
  const text = annotationsOf(ingress)[ANNOTATION + name];
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : fallback;
}

/** The annotation is in seconds. */
const readTimeoutOf = (ingress: V1Ingress): Millis =>
  numberAnnotation(ingress, 'proxy-read-timeout', PROXY_TIMEOUT / 1000) * 1000;

function distinct<T>(items: readonly T[], key: (item: T) => string): T[] {
  const seen = new Set<string>();
  return items.filter((item) => {
    const name = key(item);
    if (seen.has(name)) return false;
    seen.add(name);
    return true;
  });
}

/** nginx.conf is written in an order that depends on nothing but its content. */
function bySpecificity(one: IngressLocation, other: IngressLocation): number {
  const [left, right] = [one.host ?? '', other.host ?? ''];
  if (left !== right) return left < right ? -1 : 1;
  return other.path.length - one.path.length || (one.path < other.path ? -1 : one.path > other.path ? 1 : 0);
}

/** The location that serves a request, as nginx chooses it: the host's own before any, exact before the longest prefix. */
export function findLocation(
  config: Pick<IngressConfig, 'locations'>,
  host: string,
  path: string,
): IngressLocation | undefined {
  const own = config.locations.filter((location) => location.host === host);
  const candidates =
    own.length > 0 ? own : config.locations.filter((location) => location.host === undefined);
  return (
    candidates.find((location) => location.match === 'exact' && location.path === path) ??
    candidates
      .filter((location) => location.match === 'prefix' && isPrefix(location.path, path))
      .sort((one, other) => other.path.length - one.path.length)[0]
  );
}

/** By path element: /foo is a prefix of /foo and /foo/bar, not of /foobar. */
const isPrefix = (prefix: string, path: string) =>
  prefix === '/' || path === prefix || path.startsWith(prefix.endsWith('/') ? prefix : `${prefix}/`);

/**
 * The backend that a request of this route goes to; `draw` is uniform over the integers from 0 to `total` - 1.
 * Undefined: there is nobody, and the answer is 503.
 */
export function chooseBackend(route: IngressRoute, draw: (total: number) => number): string | undefined {
  const total = route.choices.reduce((sum, { weight }) => sum + weight, 0);
  if (total <= 0) return undefined;
  let left = draw(total);
  for (const { backend, weight } of route.choices) {
    if (left < weight) return backend;
    left -= weight;
  }
  return undefined;
}
