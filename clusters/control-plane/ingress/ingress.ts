import type {
  KubernetesObject,
  V1ConfigMap,
  V1EndpointSlice,
  V1Ingress,
  V1IngressServiceBackend,
  V1Secret,
  V1Service,
} from '@kubernetes/client-node';
import type { IngressProxy, ProxyChange } from '../../../harness/platforms/proxies.ts';
import type { Millis } from '../../../harness/time/duration.ts';
import { SERVICE_NAME } from '../controllers/endpoint-slice.ts';
import { annotationsOf, createdAt, isDeleting, labelsOf, nameOf } from '../store/objects.ts';

/** Annotations are understood as ingress-nginx does; what others have of their own is not written here. */
const ANNOTATION = 'nginx.ingress.kubernetes.io/';
/** The ConfigMap with the proxy's own settings. */
const SETTINGS = 'ingress';

/** One path of one host. */
export interface IngressLocation {
  /** Undefined: any host that has no locations of its own. */
  readonly host: string | undefined;
  readonly path: string;
  readonly match: 'exact' | 'prefix';
  /** Names one of `routes`. */
  readonly route: string;
  /** No byte either way for this long ends a proxied WebSocket; Infinity: never. */
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
  /** So many endpoints it may have without a reload; absent: any number. */
  readonly slots?: number;
}

export interface IngressEndpoint {
  readonly address: string;
  readonly port: number;
}

/** What a reverse proxy in front of the gateways is told to do. */
export interface IngressConfig {
  readonly locations: readonly IngressLocation[];
  readonly routes: readonly IngressRoute[];
  readonly backends: readonly IngressBackend[];
  /** All that running processes of this proxy cannot be told. */
  readonly reloadKey: string;
}

/** The objects that an ingress controller watches. */
export interface IngressObjects {
  readonly ingresses: readonly V1Ingress[];
  readonly routes: readonly HTTPRoute[];
  readonly services: readonly V1Service[];
  readonly slices: readonly V1EndpointSlice[];
  readonly secrets?: readonly V1Secret[];
  readonly configMaps?: readonly V1ConfigMap[];
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
 * drawn per request. HTTPRoutes are one object with weights per backend, of which each request draws its own. What of
 * all that a change needs a reload for is the proxy's own (harness/platforms/proxies.ts).
 */
export function ingressConfig(
  objects: IngressObjects,
  {
    proxy,
    idle = Number.POSITIVE_INFINITY,
  }: { readonly proxy: IngressProxy; readonly idle: Millis | undefined },
): IngressConfig {
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
  const own = objects.ingresses.filter(({ spec }) => spec?.ingressClassName === proxy.ingressClass);
  const ingresses = fromIngresses(proxy.api === 'ingress' ? own : [], cluster, backend, idle);
  const fromApi = fromRoutes(proxy.api === 'gateway-api' ? objects.routes : [], backend, idle);
  // The oldest rule wins a path.
  const candidates = distinct([...ingresses.locations, ...fromApi.locations], ({ host, path, match }) =>
    JSON.stringify([host, path, match]),
  ).sort(bySpecificity);
  const locations = candidates.map(({ identity: _identity, ...location }) => location);
  const routes = [...ingresses.routes, ...fromApi.routes];
  const parts: Record<ProxyChange, unknown> = {
    routes: locations.map(({ route: _route, ...location }) => location),
    services: candidates.map(({ route, identity }) => [route, identity]),
    weights: routes,
    endpoints: [...backends.values()],
    certificates: (objects.secrets ?? [])
      .filter(({ type }) => type === 'kubernetes.io/tls')
      .map((secret) => [nameOf(secret), secret.data]),
    settings: (objects.configMaps ?? []).find((map) => nameOf(map) === SETTINGS)?.data,
  };
  return {
    locations,
    routes,
    backends: [...backends.values()],
    reloadKey: JSON.stringify(proxy.reload.on.map((change) => parts[change])),
  };
}

/**
 * From one configuration to the next: whether that takes a reload, and the slots that its backends have then. A reload
 * gives each backend as many free ones as the proxy keeps; without one they stay, and endpoints fill them.
 */
export function nextConfig(
  { reload: { slots: free } }: IngressProxy,
  before: IngressConfig | undefined,
  wanted: IngressConfig,
): { readonly config: IngressConfig; readonly reload: boolean } {
  const slotsOf = new Map(before?.backends.map(({ name, slots }) => [name, slots]));
  const fits = ({ name, endpoints }: IngressBackend) => endpoints.length <= (slotsOf.get(name) ?? 0);
  const reload =
    before?.reloadKey !== wanted.reloadKey || (free !== undefined && !wanted.backends.every(fits));
  if (free === undefined) return { config: wanted, reload };
  const backends = wanted.backends.map((backend) => ({
    ...backend,
    slots: reload ? backend.endpoints.length + free : (slotsOf.get(backend.name) ?? 0),
  }));
  return { config: { ...wanted, backends }, reload };
}

/** `identity`: what else of the Service decides (`$service_name` of nginx.conf and the like). */
type Candidate = IngressLocation & { readonly identity: string };
type FindBackend = (service: string, port: string | number | undefined) => IngressBackend;

function fromIngresses(
  all: readonly V1Ingress[],
  services: Map<string, V1Service>,
  backend: FindBackend,
  idle: Millis,
) {
  const rules = oldestFirst(all).flatMap((ingress) =>
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
      readTimeout: readTimeoutOf(ingress, idle),
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

/** The API has no idle timeout, so the proxy's own holds. */
function fromRoutes(all: readonly HTTPRoute[], backend: FindBackend, idle: Millis) {
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
            readTimeout: idle,
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
const readTimeoutOf = (ingress: V1Ingress, own: Millis): Millis =>
  numberAnnotation(ingress, 'proxy-read-timeout', own / 1000) * 1000;

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
