import { z } from 'zod';
import { CLIENT_LIBRARIES, type ClientLibraryName } from '../platforms/clients.ts';
import { formatDuration, parseDuration } from '../time/duration.ts';

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

/** Releases of Kubernetes whose differences are modelled, oldest first. */
export const KUBERNETES_VERSIONS = [
  '1.20',
  '1.21',
  '1.22',
  '1.23',
  '1.24',
  '1.25',
  '1.26',
  '1.27',
  '1.28',
  '1.29',
  '1.30',
  '1.31',
  '1.32',
  '1.33',
  '1.34',
  '1.35',
  '1.36',
  '1.37',
] as const;

export type KubernetesVersion = (typeof KUBERNETES_VERSIONS)[number];

/** The modelled release that a version's text names (`v1.34.2-gke.100`): the nearest one; undefined where it names none. */
export function kubernetesVersion(text: string): KubernetesVersion | undefined {
  const minor = Number(/^v?1\.(\d+)/.exec(text)?.[1] ?? Number.NaN);
  if (Number.isNaN(minor)) return undefined;
  return KUBERNETES_VERSIONS[Math.min(Math.max(minor - 20, 0), KUBERNETES_VERSIONS.length - 1)];
}

const LIBRARIES = Object.keys(CLIENT_LIBRARIES) as [ClientLibraryName, ...ClientLibraryName[]];

const count = (least: number, most: number) => z.coerce.number().int().min(least).max(most);
const duration = (least: string, most: string) =>
  z
    .union([z.string(), z.number()])
    .transform((text, context) => {
      try {
        return typeof text === 'number' ? text : parseDuration(text);
      } catch (error) {
        context.addIssue({ code: 'custom', message: (error as Error).message });
        return z.NEVER;
      }
    })
    .refine((value) => value >= parseDuration(least) && value <= parseDuration(most), {
      message: `must lie between ${least} and ${most}`,
    });

/** What a Deployment takes for maxSurge and maxUnavailable: an int32 or a percentage (k8s intstr.IntOrString). */
const podCount = z
  .string()
  .regex(/^\d+%?$/, 'must be a count or a percentage')
  .refine((text) => Number.parseInt(text, 10) < 2 ** 31, 'must be at most 2147483647');
/** k8s pkg/apis/apps/validation IsNotMoreThan100Percent. */
const notAll = (text: string) => !text.endsWith('%') || Number.parseInt(text, 10) <= 100;
const ascends = (steps: string) =>
  steps.split('-').every((step, index, all) => index === 0 || Number(step) > Number(all[index - 1]));

interface Axis<Schema extends z.ZodType = z.ZodType> {
  /** Checks and converts one value as typed by the user. */
  readonly schema: Schema;
  /** The value when nothing is said, as the user would type it. */
  readonly fallback: string;
  /** One line for --help. */
  readonly help: string;
  /** What stands for the value in --help. */
  readonly value: string;
  /** A value as the user would type it. */
  readonly show: (value: z.output<Schema>) => string;
}

const axis = <Schema extends z.ZodType>(schema: Schema, fallback: string, value: string, help: string) =>
  ({
    schema,
    fallback,
    value,
    help,
    show: value === 'TIME' || value === 'TIME|never' ? showTime : String,
  }) satisfies Axis<Schema>;

/** Something that nothing bounds unless one says so. */
const limit = <Schema extends z.ZodType>(
  schema: Schema,
  value: string,
  help: string,
  show: (value: number) => string = String,
) => ({
  ...axis(
    z.union([z.literal('unlimited').transform(() => undefined), schema]),
    'unlimited',
    `${value}|unlimited`,
    help,
  ),
  show: (given: unknown) => (typeof given === 'number' ? show(given) : 'unlimited'),
});

/** Processors as Kubernetes writes them: `0.5` or `500m`. */
const processors = z
  .string()
  .regex(/^\d+(\.\d+)?m?$/, 'must be a number of processors, such as 0.5 or 500m')
  .transform((text) => (text.endsWith('m') ? Number.parseFloat(text) / 1000 : Number(text)))
  .refine((value) => value >= 0.01 && value <= 1000, { message: 'must lie between 10m and 1000' });

const UNITS: Readonly<Record<string, number>> = { Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30 };

/** Bytes as Kubernetes writes them: `256Mi`. */
const bytes = z
  .string()
  .regex(/^\d+(\.\d+)?(Ki|Mi|Gi)$/, 'must be a number with Ki, Mi or Gi')
  .transform((text) => Math.round(Number.parseFloat(text) * (UNITS[text.slice(-2)] as number)))
  .refine((value) => value >= 1024 && value <= 2 ** 42, { message: 'must lie between 1Ki and 4096Gi' });

const showBytes = (value: number): string => {
  const [unit, size] = Object.entries(UNITS).findLast(([, each]) => value % each === 0) ?? ['', 1];
  return `${value / size}${unit}`;
};

const showTime = (time: unknown) => (typeof time === 'number' ? formatDuration(time) : 'never');

const choice = <const Values extends readonly [string, ...string[]]>(
  values: Values,
  fallback: Values[number],
  help: string,
) => axis(z.enum(values), fallback, values.join('|'), help);

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
  nodes: axis(count(1, 100), '3', 'N', 'nodes, one zone after the other over three zones'),
  pods: axis(count(1, 500), '1', 'N', 'replicas of the gateway, per version'),
  clients: axis(count(1, 2_000_000), '2000', 'N', 'simulated clients'),
  backoff: axis(duration('1s', '1h'), '5m', 'TIME', 'longest wait before a client reconnects'),
  backoffModel: choice(BACKOFF_MODELS, 'uniform', 'how a client chooses its wait'),
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
  heartbeat: axis(duration('1s', '30m'), '30s', 'TIME', 'ping period; no answer within one is a drop'),
  balancer: choice(['target-pool', 'backend-service'], 'target-pool', 'kind of passthrough load balancer'),
  balancerStickiness: choice(
    ['rehash', 'persist'],
    'rehash',
    'target pool: does a tracked flow leave an unhealthy node',
  ),
  proxy: choice(
    ['iptables', 'iptables-1.22', 'nftables', 'ipvs', 'cilium', 'cilium-1.16'],
    'iptables',
    'Service dataplane of the nodes',
  ),
  kubernetes: choice(KUBERNETES_VERSIONS, '1.37', 'release of Kubernetes: kubelets and controllers'),
  drain: choice(
    ['close-all', 'abrupt', 'paced'],
    'close-all',
    'what the gateway does with its clients on SIGTERM',
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
    'ingress-canary: canary Ingress, or weights of one HTTPRoute',
  ),
  promote: choice(
    ['ingress', 'selector'],
    'ingress',
    'ingress-canary: the Ingress names the other Service, or its Service selects v2',
  ),
  proxyReadTimeout: axis(
    duration('1s', '24h'),
    '1m',
    'TIME',
    'ingress-canary: nginx ends a connection that is silent for this long',
  ),
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
  tcpLoose: choice(['1', '0'], '1', 'nf_conntrack_tcp_loose on the nodes'),
  rollbackAfter: axis(
    z.union([z.literal('never').transform(() => undefined), duration('1s', '2h')]),
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

/** Every axis at its default, overridden by `changes`; for tests, benches and predictions. */
export function defaultAxes(changes: Partial<Axes> = {}): Axes {
  const defaults = Object.entries(AXES).map(([name, { schema, fallback }]) => [name, schema.parse(fallback)]);
  return { ...(Object.fromEntries(defaults) as Axes), ...changes };
}
