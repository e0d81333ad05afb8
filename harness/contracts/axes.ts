import { z } from 'zod';
import { BALANCER_NAMES } from '../platforms/balancers.ts';
import { CLIENT_LIBRARIES, type ClientLibraryName } from '../platforms/clients.ts';
import { DATAPLANES, type DataplaneName } from '../platforms/dataplanes.ts';
import { KUBERNETES_VERSIONS } from '../platforms/kubernetes.ts';
import { NODE_REMOVAL_NAMES } from '../platforms/node-removals.ts';
import { PROXY_NAMES, proxiesOf, proxyNamed } from '../platforms/proxies.ts';
import {
  type Axis,
  ascends,
  axis,
  bytes,
  choice,
  count,
  duration,
  durationRange,
  limit,
  notAll,
  ownTime,
  percentage,
  podCount,
  podsPerTime,
  processors,
  showBytes,
  showTime,
  timeOrNever,
} from './axis-kinds.ts';

/** How a client chooses its waits (harness/fleet/backoff.ts). */
export const BACKOFF_MODELS = [
  'uniform',
  'exponential-full-jitter',
  'exponential-equal-jitter',
  'decorrelated',
  'fixed',
  'socket.io',
  'reconnecting-websocket',
  'signalr',
  'phoenix',
] as const;

export type BackoffModel = (typeof BACKOFF_MODELS)[number];

export type KubernetesVersion = (typeof KUBERNETES_VERSIONS)[number];

/** The modelled release that a version's text names (`v1.34.2-gke.100`): the nearest one; undefined where it names none. */
export function kubernetesVersion(text: string): KubernetesVersion | undefined {
  const minor = Number(/^v?1\.(\d+)/.exec(text)?.[1] ?? Number.NaN);
  if (Number.isNaN(minor)) return undefined;
  return KUBERNETES_VERSIONS[Math.min(Math.max(minor - 20, 0), KUBERNETES_VERSIONS.length - 1)];
}

const LIBRARIES = Object.keys(CLIENT_LIBRARIES) as [ClientLibraryName, ...ClientLibraryName[]];

/** The implementation that other axes name, for what is its own unless somebody sets it. */
const proxyOf = ({ ingress }: Readonly<Record<string, unknown>>) => proxyNamed(String(ingress));

/**
 * All that a cell can be varied in: one line an axis. Each is an option of the CLI (`--drain-over 5m`), takes
 * several values separated by commas, is validated here and nowhere else, and stands in the report.
 * Durations are Millis once read.
 */
export const AXES = {
  policy: choice(['Cluster', 'Local'], 'Cluster', 'externalTrafficPolicy of the Service'),
  trafficDistribution: choice(
    ['none', 'PreferClose', 'PreferSameZone', 'PreferSameNode'],
    'none',
    'trafficDistribution of the Service: which endpoints a node prefers (policy Cluster)',
  ),
  affinity: choice(['None', 'ClientIP'], 'None', 'sessionAffinity of the Service'),
  nodes: axis(count(1, 100), '3', 'N', 'nodes, one zone after the other over three zones'),
  pods: axis(count(1, 500), '1', 'N', 'replicas of the gateway, per version'),
  clients: axis(count(1, 2_000_000), '2000', 'N', 'simulated clients'),
  backoff: axis(duration('1s', '1h'), '5m', 'TIME', 'longest wait before a client reconnects'),
  backoffModel: choice(BACKOFF_MODELS, 'uniform', 'how a client chooses its wait'),
  clientsBehind: axis(
    z.union([z.literal('each').transform(() => undefined), count(1, 1_000_000)]),
    'each',
    'N|each',
    'source addresses that the clients share, as behind NAT; each: one a client',
  ),
  connectTimeout: {
    ...axis(
      z.union([
        z.enum(LIBRARIES).transform((library) => CLIENT_LIBRARIES[library].connectTimeout as number),
        duration('1s', '1h'),
      ]),
      '10s',
      'TIME|LIBRARY',
      `an attempt that has not opened by then is given up; or as one of ${LIBRARIES.join(', ')}`,
    ),
    show: showTime,
  },
  recoverWithin: axis(
    duration('1s', '24h'),
    '15m',
    'TIME',
    'with --pod-cpu: when everybody must be back, counted from the end of the release',
  ),
  heartbeat: axis(duration('1s', '12h'), '30s', 'TIME', 'ping period; no answer within one is a drop'),
  keepalive: axis(
    timeOrNever('1s', '12h'),
    'never',
    'TIME|never',
    "the clients' TCP keep-alive (SO_KEEPALIVE): after so long without a packet; then 10 probes, a second apart",
  ),
  balancer: choice(BALANCER_NAMES, 'target-pool', 'kind of passthrough load balancer'),
  proxy: choice(
    Object.keys(DATAPLANES) as [DataplaneName, ...DataplaneName[]],
    'iptables',
    'Service dataplane of the nodes',
  ),
  secondService: choice(
    ['no', 'yes'],
    'no',
    'does another Service, a ClusterIP, select all pods of the gateway for good',
  ),
  internalPolicy: choice(
    ['Cluster', 'Local'],
    'Cluster',
    "handoff: internalTrafficPolicy of the holders' Service inside the cluster",
  ),
  kubernetes: choice(
    KUBERNETES_VERSIONS,
    '1.37',
    "release of Kubernetes: kubelets, controllers and kube-proxy's rules",
  ),
  drain: choice(
    ['close-all', 'abrupt', 'paced', 'ignore'],
    'close-all',
    'what the gateway does with its clients on SIGTERM (ignore: it never hears of it)',
  ),
  drainOver: axis(
    duration('0s', '2h'),
    '5m',
    'TIME',
    'how long a paced drain takes to ask all clients of a pod',
  ),
  handshakeCpu: axis(
    duration('0s', '10s'),
    '0s',
    'TIME',
    "processor time that the gateway's application needs for each handshake (TLS, login)",
  ),
  messageCpu: axis(
    duration('0s', '10s'),
    '0s',
    'TIME',
    "processor time that the gateway's application needs for each message",
  ),
  podStart: axis(
    durationRange('0s', '1h'),
    '5s-15s',
    'TIME|TIME-TIME',
    'from a pod being placed until its gateway listens: image, boot; drawn for each pod',
  ),
  probePeriod: axis(
    duration('1s', '10m'),
    '10s',
    'TIME',
    'periodSeconds of the readiness and liveness probes',
  ),
  probeTimeout: axis(duration('1s', '10m'), '1s', 'TIME', 'timeoutSeconds of the probes'),
  probeFailures: axis(count(1, 100), '3', 'N', 'failureThreshold of the probes'),
  minReady: axis(
    duration('0s', '9m'),
    '0s',
    'TIME',
    'minReadySeconds: how long a new pod must have been ready before the rollout goes on',
  ),
  podCpu: limit(
    processors,
    'N',
    'processors that a pod has for its one event loop, which serves handshakes, messages and probes in turn; spent in model time on every cluster',
  ),
  podMemory: limit(bytes, 'NMi', 'memory above which a pod is killed', showBytes),
  connectionMemory: {
    ...axis(bytes, '12Ki', 'NKi', 'memory that each connection takes (heeded with --pod-memory)'),
    show: (value: unknown) => showBytes(value as number),
  },
  admission: limit(
    z.coerce.number().min(0.1).max(1_000_000),
    'N',
    'handshakes a second that a pod lets in; it refuses the others with 503',
  ),
  maxAge: axis(
    timeOrNever('10s', '24h'),
    'never',
    'TIME|never',
    'the gateway closes a connection of this age, give or take a tenth',
  ),
  grace: axis(duration('0s', '2h'), '30s', 'TIME', 'terminationGracePeriodSeconds'),
  preStop: axis(duration('0s', '1h'), '0s', 'TIME', 'preStop sleep before SIGTERM'),
  maxSurge: axis(podCount, '25%', 'N|N%', 'Deployment maxSurge'),
  maxUnavailable: axis(
    podCount.refine(notAll, 'must not be greater than 100%'),
    '25%',
    'N|N%',
    'Deployment maxUnavailable',
  ),
  retire: choice(['paced', 'abrupt'], 'paced', 'how old pods are retired once v2 takes new connections'),
  ask: choice(
    ['close', 'message'],
    'close',
    'how a paced retirement asks a client to go: close frame 1012, or an application message',
  ),
  stopNew: choice(['flip', 'readiness'], 'flip', 'paced-drain: how new connections are kept from v1'),
  switchBy: choice(
    ['selector', 'balancer'],
    'selector',
    'blue-green: one balancer re-pointed, or a second one and DNS',
  ),
  dnsTtl: axis(duration('0s', '24h'), '1m', 'TIME', 'how long clients keep a DNS answer'),
  keepBlue: choice(['no', 'yes'], 'no', 'blue-green: is the old side kept once green serves'),
  blueDelay: axis(duration('0s', '24h'), '90s', 'TIME', 'blue-green: how long blue is kept after the switch'),
  handoffBy: choice(
    ['holder', 'worker'],
    'holder',
    'handoff: a connection holder in front, or the sockets passed on inside the pod',
  ),
  churn: choice(
    ['one', 'upgrade'],
    'one',
    'node-churn: one node is replaced, or every node that carries no pod',
  ),
  by: choice(NODE_REMOVAL_NAMES, 'kubectl', 'node-drain: who removes the node'),
  budget: axis(
    z.string().regex(/^(none|\d+%?)$/, 'must be none, a count or a percentage'),
    'none',
    'N|N%|none',
    'node-drain: maxUnavailable of a PodDisruptionBudget over the gateway',
  ),
  nodeRemovalAfter: axis(
    duration('0s', '24h'),
    '1m',
    'TIME',
    "node-churn: from a node's cordon and taint to its deletion",
  ),
  canarySteps: axis(
    z
      .string()
      .regex(/^(\d{1,2}-)*100$/, 'weights up to 100, such as 5-25-50-100')
      .refine(ascends, 'each weight must be greater than the one before'),
    '5-25-50-100',
    'N-N-100',
    'ingress-canary: shares of new connections, in per cent',
  ),
  canaryEvery: axis(duration('0s', '24h'), '1m', 'TIME', 'ingress-canary: how long each share is held'),
  ingressApi: choice(
    ['ingress', 'gateway-api'],
    'ingress',
    'Ingresses or HTTPRoutes; unless said, that of --ingress',
    (others) => proxyOf(others)?.api,
  ),
  ingress: choice(
    PROXY_NAMES,
    'ingress-nginx',
    'the proxy in front; with --ingress-api gateway-api alone, nginx-gateway-fabric',
    ({ ingressApi }) => (ingressApi === 'gateway-api' ? proxiesOf('gateway-api')[0] : undefined),
  ),
  workerShutdownTimeout: axis(
    timeOrNever('1s', '24h'),
    '4m',
    'TIME|never',
    'what a reload leaves behind keeps its connections for this long; unless said, that of --ingress',
    (others) => ownTime(proxyOf(others)?.reload.keeps),
  ),
  promote: choice(
    ['ingress', 'selector'],
    'ingress',
    'ingress-canary: the Ingress names the other Service, or its Service selects v2',
  ),
  proxyReadTimeout: axis(
    timeOrNever('1s', '24h'),
    '1m',
    'TIME|never',
    'the proxy ends a connection that is silent for this long; unless said, that of --ingress',
    (others) => ownTime(proxyOf(others)?.idle.after),
  ),
  proxyLifetime: axis(
    timeOrNever('1s', '24h'),
    'never',
    'TIME|never',
    "the proxy ends a connection at this age, silent or not (Google's L7 balancer: 30s)",
    (others) => ownTime(proxyOf(others)?.lifetime),
  ),
  reloadBy: choice(
    ['ingress', 'certificate', 'endpoint', 'settings', 'proxy-rollout'],
    'ingress',
    'ingress-reload: what happens around the proxy',
  ),
  reloads: axis(count(1, 1000), '1', 'N', 'ingress-reload: how often'),
  reloadEvery: axis(duration('1s', '24h'), '1m', 'TIME', 'ingress-reload: how long from one to the next'),
  meshRouting: choice(['http', 'tcp'], 'http', 'service-mesh: what the mesh takes WebSockets for'),
  exitOnZero: choice(['no', 'yes'], 'no', 'service-mesh: EXIT_ON_ZERO_ACTIVE_CONNECTIONS of the sidecars'),
  sidecars: choice(
    ['native', 'classic'],
    'native',
    'service-mesh: sidecars that end after the application (Istio 1.27, Kubernetes 1.29), or together with it',
  ),
  hpaDuring: choice(
    ['readiness-fail', 'rolling-update', 'selector-flip', 'storm'],
    'readiness-fail',
    'hpa: what happens while the autoscaler watches',
  ),
  hpaMetric: choice(
    ['cpu', 'connections-value', 'connections-average'],
    'cpu',
    'hpa: use of the CPU requested, or an External metric with target Value or AverageValue',
  ),
  hpaMin: axis(count(1, 500), '1', 'N', 'hpa: minReplicas'),
  hpaMax: axis(
    count(1, 2000),
    '4',
    'N',
    'hpa: maxReplicas; unless said, four times --pods',
    ({ pods }) => 4 * Number(pods),
  ),
  hpaDownWindow: axis(
    duration('0s', '1h'),
    '5m',
    'TIME',
    'hpa: scaleDown.stabilizationWindowSeconds: down only to the highest that was asked for within it',
  ),
  hpaDownPolicy: axis(
    podsPerTime('15s', '30m'),
    '100%/15s',
    'N/TIME|N%/TIME',
    'hpa: scaleDown.policies: at most so many pods in so long',
  ),
  hpaTolerance: axis(
    percentage,
    '10%',
    'N%',
    "hpa: tolerance of the autoscaler's own, both ways (Kubernetes 1.35)",
  ),
  tcpLoose: choice(['1', '0'], '1', 'nf_conntrack_tcp_loose on the nodes'),
  rollbackAfter: axis(
    timeOrNever('1s', '2h'),
    'never',
    'TIME|never',
    'interrupt the release after this long and roll back',
  ),
} satisfies Record<string, Axis>;

export type AxisName = keyof typeof AXES;

/** The values of each axis, as typed: one or several separated by commas. */
export type AxisTexts = Partial<Record<AxisName, string>>;

/** `drainOver` -> `drain-over`: how an axis is spelled as an option. */
export const optionName = (axis: string) => axis.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

/** One value for each axis: what tells one cell from another. */
export type Axes = { readonly [Name in AxisName]: z.output<(typeof AXES)[Name]['schema']> };

/** Every axis at its default, overridden by `changes`, which also decide the defaults that follow them. */
export function defaultAxes(changes: Partial<Axes> = {}): Axes {
  const known: Record<string, unknown> = { ...changes };
  for (const [name, { schema, fallback, follows }] of Object.entries<Axis>(AXES))
    if (!(name in known)) known[name] = schema.parse(follows?.(known) ?? fallback);
  return Object.fromEntries(Object.keys(AXES).map((name) => [name, known[name]])) as Axes;
}
