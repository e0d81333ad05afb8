import type { Millis } from '../time/duration.ts';
import type { Platform } from './platform.ts';
import { documented, inferred, observed, read, unproven } from './properties.ts';

/**
 * What may change under a proxy: whose hosts and paths it serves, the certificates it shows, the share of each backend,
 * their endpoints, the Service that a rule names, and its own settings (its ConfigMap, a policy on its listener).
 */
export type ProxyChange = 'routes' | 'certificates' | 'weights' | 'endpoints' | 'services' | 'settings';

/** An ingress controller or gateway in the path, and what it does by itself to the WebSockets that it holds. */
export interface IngressProxy extends Platform {
  readonly api: 'ingress' | 'gateway-api';
  /** Its IngressClass's `controller`, or its GatewayClass's `controllerName`. */
  readonly controller: string;
  /** ingressClassName in its documentation; '' with Gateways. */
  readonly ingressClass: string;
  /** Whether its API can give a share of new connections to another Service; else a canary cannot be written for it. */
  readonly weighs: boolean;
  /** The real program that plays it where there is one on the machine. */
  readonly program?: 'nginx' | 'haproxy';
  /** At most this often it looks at its objects, and so long its processes may take to see what needs no reload. */
  readonly sync: { readonly interval: Millis; readonly pickUp: Millis };
  readonly reload: {
    /** What its running processes cannot be told. */
    readonly on: readonly ProxyChange[];
    /** Endpoints that a backend may gain before that needs a reload; absent: as `on` says. */
    readonly slots?: number;
    /** What it does then, and has done by the end of it. */
    readonly did: string;
    /** What holds the connections of before, and how long it may; undefined: until the last of them has ended. */
    readonly holder: string;
    readonly keeps: Millis | undefined;
    /** The name of that time. */
    readonly setting: string;
    readonly ends: 'shutdown-timeout' | 'drain';
  };
  /** No byte either way for this long ends an upgraded connection; undefined: no such limit. */
  readonly idle: { readonly after: Millis | undefined; readonly setting: string };
  /** An upgraded connection is ended at this age, silent or not; undefined: no such limit. */
  readonly lifetime: Millis | undefined;
  /** Its own pod is told to end. */
  readonly termination: {
    /** terminationGracePeriodSeconds of its manifests. */
    readonly grace: Millis;
    /** So long it goes on taking new connections. */
    readonly accepts: Millis;
    /** So long it may keep those that it holds; `reload`: as after a reload. */
    readonly keeps: Millis | 'reload';
  };
}

const ENVOY_RELOAD = {
  on: ['settings'],
  did: 'replaces a filter chain of its listener',
  holder: 'its old filter chain',
  ends: 'drain',
} as const satisfies Partial<IngressProxy['reload']>;
const ENVOY_IDLE = { after: 300_000, setting: 'stream_idle_timeout' } as const;

/** The modelled implementations, by the value of `--ingress`; the first of an API stands for it where none is named. */
export const PROXIES = {
  'ingress-nginx': {
    title: 'ingress-nginx',
    versions: 'ingress-nginx 1.0 to 1.15 (read-only since 2026-03-24)',
    api: 'ingress',
    controller: 'k8s.io/ingress-nginx',
    ingressClass: 'nginx',
    weighs: true,
    program: 'nginx',
    sync: { interval: 3334, pickUp: 1000 },
    reload: {
      on: ['routes', 'services', 'settings'],
      did: 'reloads',
      holder: 'the old workers',
      keeps: 240_000,
      setting: 'worker-shutdown-timeout',
      ends: 'shutdown-timeout',
    },
    idle: { after: 60_000, setting: 'proxy-read-timeout' },
    lifetime: undefined,
    termination: { grace: 300_000, accepts: 0, keeps: 'reload' },
    properties: [
      read(
        'looks at its objects at most every 3.3 s; its workers look for new backends and weights once a second',
        'ingress-nginx internal/ingress/controller/controller.go, rootfs/etc/nginx/lua/balancer.lua',
      ),
      documented(
        'reloads when an Ingress, a host or a path comes or goes, most annotations change, or a rule names another Service; not for endpoints and canary weights',
        'ingress-nginx docs/how-it-works.md',
      ),
      read(
        'a renewed certificate is handed to the running workers; its documentation counts an updated Secret among the reloads',
        'ingress-nginx pkg/util/ingress/ingress.go clearCertificates',
      ),
      documented(
        'after a reload the old workers end what they still hold at worker-shutdown-timeout, 240 s',
        'ingress-nginx configmap.md; seen by users in #2461, #7115, #8977',
      ),
      documented(
        'ends a WebSocket after 60 s without a byte (proxy-read-timeout), by FIN; no limit to its lifetime',
        'ingress-nginx docs/user-guide/miscellaneous.md; the FIN is inferred, and measured with nginx here',
      ),
      documented(
        'its own pods have a grace period of 300 s, stop to accept at once and keep their connections as after a reload',
        'ingress-nginx charts/ingress-nginx/values.yaml, cli-arguments.md',
      ),
    ],
  },
  'nginx-gateway-fabric': {
    title: 'NGINX Gateway Fabric',
    versions: 'NGINX Gateway Fabric 2.x on open-source nginx',
    api: 'gateway-api',
    controller: 'gateway.nginx.org/nginx-gateway-controller',
    ingressClass: '',
    weighs: true,
    program: 'nginx',
    sync: { interval: 3334, pickUp: 1000 },
    reload: {
      on: ['routes', 'certificates', 'weights', 'endpoints', 'services', 'settings'],
      did: 'reloads',
      holder: 'the old workers',
      keeps: undefined,
      setting: 'worker_shutdown_timeout',
      ends: 'shutdown-timeout',
    },
    idle: { after: 60_000, setting: 'proxy_read_timeout' },
    lifetime: undefined,
    termination: { grace: 30_000, accepts: 0, keeps: 0 },
    properties: [
      unproven(
        'looks at its objects every 3.3 s, as ingress-nginx does: its own pace was not looked up',
        'set to that of ingress-nginx',
      ),
      observed(
        'reloads for every accepted change, endpoints too (with Plus, endpoints go by its API)',
        'nginx-gateway-fabric#5524: 136 reloads in ten minutes',
      ),
      read(
        'sets no worker_shutdown_timeout: old workers live until their last connection has ended, and pile up; where a user sets one, each connection ends that long after the next reload',
        'nginx-gateway-fabric main_config_template.go, nginx.conf; #5524',
      ),
      inferred(
        "ends a WebSocket after 60 s without a byte (nginx's own proxy_read_timeout); no limit to its lifetime",
        'nginx ngx_http_proxy_module',
      ),
      read(
        'its own pods have a grace period of 30 s and no preStop hook; SIGTERM is passed on to nginx, which ends at once',
        'nginx-gateway-fabric chart, build/entrypoint.sh',
      ),
    ],
  },
  'haproxy-ingress': {
    title: 'HAProxy Ingress',
    versions: 'jcmoraisjr/haproxy-ingress 0.12 to 0.14',
    api: 'ingress',
    controller: 'haproxy-ingress.github.io/controller',
    ingressClass: 'haproxy',
    weighs: false,
    program: 'haproxy',
    sync: { interval: 2000, pickUp: 0 },
    reload: {
      on: ['routes', 'certificates', 'services', 'settings'],
      slots: 6,
      did: 'reloads',
      holder: 'the old process',
      keeps: 600_000,
      setting: 'timeout-stop',
      ends: 'shutdown-timeout',
    },
    idle: { after: 3_600_000, setting: 'timeout-tunnel' },
    lifetime: undefined,
    termination: { grace: 60_000, accepts: 0, keeps: 0 },
    properties: [
      unproven(
        'looks at its objects at most every 2 s (rate-limit-update 0.5)',
        'haproxy-ingress command-line options, from memory',
      ),
      read(
        'reloads for whatever stands outside its backends (hosts, paths, certificates) and for a backend that comes',
        'haproxy-ingress pkg/haproxy/dynupdate.go checkConfigChange',
      ),
      read(
        'tells HAProxy of endpoints by its socket as long as the backend has a free slot; each reload leaves 6 (slots-min-free)',
        'haproxy-ingress dynupdate.go alignSlots, defaults.go; the table in keys.md says 0, its text 6',
      ),
      documented(
        'after a reload the old process ends what it still holds at timeout-stop, 10 min (HAProxy: hard-stop-after); close-sessions-duration, which spreads that, is off',
        'haproxy-ingress keys.md',
      ),
      documented(
        'ends a WebSocket after 1 h without a byte (timeout-tunnel), by FIN; no limit to its lifetime',
        'haproxy-ingress keys.md; the FIN is inferred, and measured with HAProxy here',
      ),
      documented('the chart gives its own pods a grace period of 60 s', 'haproxy-ingress/charts values.yaml'),
      unproven(
        'SIGTERM ends HAProxy at once, and what it holds with it',
        "HAProxy's management guide, for HAProxy alone; what the controller sends was not looked up",
      ),
    ],
  },
  traefik: {
    title: 'Traefik',
    versions: 'Traefik 3',
    api: 'ingress',
    controller: 'traefik.io/ingress-controller',
    ingressClass: 'traefik',
    weighs: false,
    sync: { interval: 2000, pickUp: 0 },
    reload: {
      on: [],
      did: 'reloads',
      holder: 'Traefik',
      keeps: undefined,
      setting: 'graceTimeOut',
      ends: 'shutdown-timeout',
    },
    idle: { after: undefined, setting: 'idleTimeout' },
    lifetime: undefined,
    termination: { grace: 60_000, accepts: 0, keeps: 10_000 },
    properties: [
      unproven(
        'takes in changes at most every 2 s (providersThrottleDuration)',
        'Traefik static configuration, from memory',
      ),
      inferred(
        'swaps its routers in the running process: hosts, certificates, endpoints and Services cut nothing; entry points are static and change with a new pod only',
        'Traefik documentation of static and dynamic configuration',
      ),
      inferred(
        'no time-out ends an upgraded connection: read is for requests, idle for keep-alive; no limit to its lifetime',
        'Traefik entrypoints.md',
      ),
      read(
        'on SIGTERM it stops to accept at once (requestAcceptGrace 0) and closes what is open after graceTimeOut, 10 s',
        'traefik pkg/server/server_entrypoint_tcp.go',
      ),
      unproven('the chart gives its own pods a grace period of 60 s', 'traefik-helm-chart, from memory'),
    ],
  },
  'envoy-gateway': {
    title: 'Envoy Gateway',
    versions: 'Envoy Gateway 1.x',
    api: 'gateway-api',
    controller: 'gateway.envoyproxy.io/gatewayclass-controller',
    ingressClass: '',
    weighs: true,
    sync: { interval: 1000, pickUp: 0 },
    reload: { ...ENVOY_RELOAD, keeps: 60_000, setting: 'drain-time-s' },
    idle: ENVOY_IDLE,
    lifetime: undefined,
    termination: { grace: 360_000, accepts: 60_000, keeps: 60_000 },
    properties: [
      unproven('looks at its objects within a second: its pace was not looked up', 'none'),
      documented(
        'routes, weights, endpoints and certificates go by RDS, EDS and SDS and cut nothing',
        'Envoy documentation of its discovery services',
      ),
      read(
        'what rebuilds the filter chain of its listener drains the connections on it, and ends them when the drain is over, 60 s',
        'envoyproxy/gateway internal/cmd/envoy.go, proxy_args.go',
      ),
      observed('has rebuilt it for pushes that changed nothing', 'envoyproxy/gateway#8889'),
      documented(
        'ends a WebSocket after 5 min without a byte (stream_idle_timeout); no limit to its lifetime',
        'Envoy FAQ on time-outs',
      ),
      read(
        'its own pods have a grace period of 360 s; a preStop hook fails their health and waits until nobody is left, 60 s at most, while they go on to accept',
        'envoyproxy/gateway resource_provider.go, internal/cmd/envoy.go',
      ),
    ],
  },
  istio: {
    title: 'Istio ingress gateway',
    versions: 'Istio 1.20 to 1.28, by its Gateway API',
    api: 'gateway-api',
    controller: 'istio.io/gateway-controller',
    ingressClass: '',
    weighs: true,
    sync: { interval: 1000, pickUp: 0 },
    reload: { ...ENVOY_RELOAD, keeps: 45_000, setting: 'drainDuration' },
    idle: ENVOY_IDLE,
    lifetime: undefined,
    termination: { grace: 30_000, accepts: 5000, keeps: 5000 },
    properties: [
      inferred(
        'istiod pushes within a second: its debounce of 100 ms, to 10 s, is not modelled here',
        'istio pilot PILOT_DEBOUNCE_AFTER',
      ),
      documented(
        'HTTP routes, weights, endpoints and certificates go by RDS, EDS and SDS and cut nothing',
        'Envoy documentation of its discovery services',
      ),
      read(
        'a changed listener drains its connections and ends them after drainDuration, 45 s',
        'istio pkg/config/mesh/mesh.go',
      ),
      documented(
        'ends a WebSocket after 5 min without a byte (stream_idle_timeout); no limit to its lifetime',
        'Envoy FAQ on time-outs',
      ),
      read(
        'its own pods have a grace period of 30 s; pilot-agent ends Envoy 5 s after SIGTERM (terminationDrainDuration)',
        'istio pkg/config/mesh/mesh.go, pilot/cmd/pilot-agent',
      ),
    ],
  },
} as const satisfies Record<string, IngressProxy>;

export type ProxyName = keyof typeof PROXIES;

/** The names of all, those of one API, or undefined where a text names none. */
export const PROXY_NAMES = Object.keys(PROXIES) as [ProxyName, ...ProxyName[]];
export const proxiesOf = (api: IngressProxy['api']): ProxyName[] =>
  PROXY_NAMES.filter((name) => PROXIES[name].api === api);
export const proxyNamed = (name: string): IngressProxy | undefined =>
  Object.hasOwn(PROXIES, name) ? PROXIES[name as ProxyName] : undefined;
