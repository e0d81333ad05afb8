import type { V1Container, V1Lifecycle, V1PodTemplateSpec, V1Probe } from '@kubernetes/client-node';
import { AXES, type Axes } from '../contracts/axes.ts';
import { timeRange } from '../contracts/axis-kinds.ts';
import type { Config } from '../contracts/config.ts';
import type { PodTemplates, Version, Workload } from '../contracts/workload.ts';
import { capacityEnvironment } from '../gateway/capacity.ts';
import { calmUse, gatewayCost } from '../gateway/cost.ts';

export const SERVICE = 'gateway';
export const GATEWAY_PORT = 8080;
export const ADMIN_PORT = 8081;
export const SERVICE_PORT = 80;

/** The image that embedded clusters run as the built-in gateway, and that kind and GKE replace by the built one. */
export const GATEWAY_IMAGE = 'onedrop-gateway';

/** What embedded clusters run as a process of the user's own gateway: the container's command. */
export const OWN_IMAGE = 'onedrop-own-gateway';

/** The image that embedded clusters run as the ingress controller: nginx and what drives it. */
export const INGRESS_IMAGE = 'onedrop-ingress';

const seconds = (millis: number) => Math.ceil(millis / 1000);

/** A calm pod uses half of what it requests, as teams size them. */
export const CALM_UTILIZATION = 0.5;

/** What a pod requests of the CPU, in millicores: twice what its share of the clients uses in calm. */
const cpuRequest = ({ clients, pods, heartbeat, ...application }: Axes): number =>
  Math.ceil(calmUse(clients / pods, heartbeat, gatewayCost(application)) / CALM_UTILIZATION);

/** The user's own gateway, as a command, an image or what a chart makes of it. */
export interface OwnWorkload {
  readonly gateway: Config['gateway'];
  readonly runs: 'command' | 'image';
  readonly podTemplates?: PodTemplates;
}

/** The environment that limits the built-in gateway; nothing where nothing does. */
const capacityOf = ({ podCpu, podMemory, connectionMemory, admission }: Axes) =>
  capacityEnvironment({
    processors: podCpu,
    memory: podMemory,
    admission,
    connectionMemory: podMemory === undefined ? undefined : connectionMemory,
  });

/** The axes of a pod that is not limited, such as that of the control group. */
export const withoutLimits = (axes: Axes): Axes => ({
  ...axes,
  podCpu: undefined,
  podMemory: undefined,
  admission: undefined,
  maxAge: undefined,
});

/** The container of the built-in gateway. */
function builtIn(version: Version, axes: Axes): V1Container {
  return {
    name: 'gateway',
    image: GATEWAY_IMAGE,
    env: [
      { name: 'VERSION', value: version },
      { name: 'PORT', value: String(GATEWAY_PORT) },
      { name: 'ADMIN_PORT', value: String(ADMIN_PORT) },
      { name: 'DRAIN', value: axes.drain },
      { name: 'DRAIN_OVER', value: String(axes.drainOver) },
      { name: 'HANDSHAKE_CPU', value: String(axes.handshakeCpu) },
      { name: 'MESSAGE_CPU', value: String(axes.messageCpu) },
      { name: 'BOOT_TIME', value: bootTimeOf(axes) },
      ...(axes.maxAge === undefined ? [] : [{ name: 'MAX_AGE', value: String(axes.maxAge) }]),
      ...capacityOf(axes),
      ...PLACE,
    ],
    ports: [
      { name: 'ws', containerPort: GATEWAY_PORT },
      { name: 'admin', containerPort: ADMIN_PORT },
    ],
    readinessProbe: { httpGet: { path: '/readyz', port: ADMIN_PORT } },
    livenessProbe: { httpGet: { path: '/livez', port: ADMIN_PORT } },
    startupProbe: startupProbe(axes),
    securityContext: { ...RESTRICTED, readOnlyRootFilesystem: true },
  };
}

function bootTimeOf({ podStart }: Axes): string {
  const { least, most } = timeRange(podStart);
  return `${least}-${most}`;
}

/** Keeps the liveness probe from a pod that is still starting, with half a minute to spare. */
const startupProbe = ({ podStart }: Axes): V1Probe => ({
  httpGet: { path: '/livez', port: ADMIN_PORT },
  periodSeconds: 1,
  failureThreshold: seconds(timeRange(podStart).most) + 30,
});

/** The container of the user's own gateway. */
function own(version: Version, { gateway, runs }: OwnWorkload): V1Container {
  const { command, image, admin, port, directory } = gateway;
  const env = {
    VERSION: version,
    PORT: String(port),
    ...(admin === undefined ? {} : { ADMIN_PORT: String(admin.port) }),
    ...gateway.env,
  };
  return {
    name: 'gateway',
    ...(runs === 'image'
      ? { image: typeof image === 'object' ? image[version] : (image ?? '') }
      : {
          image: OWN_IMAGE,
          command: Array.isArray(command) ? command : (command?.[version] ?? []),
          ...(directory === undefined ? {} : { workingDir: directory }),
          lifecycle: { stopSignal: gateway.drainSignal },
        }),
    env: [...Object.entries(env).map(([name, value]) => ({ name, value })), ...PLACE],
    ports: [
      { name: 'ws', containerPort: port },
      ...(admin === undefined ? [] : [{ name: 'admin', containerPort: admin.port }]),
    ],
    ...ownProbes(gateway, port),
    // What it said last is told where it cannot start.
    terminationMessagePolicy: 'FallbackToLogsOnError',
    securityContext: RESTRICTED,
  };
}

/** The probes that a configuration describes, of a gateway that takes WebSockets on `port`. */
export function ownProbes(
  { readyPath, readyPort, livePath, admin }: Config['gateway'],
  port: number,
): Pick<V1Container, 'readinessProbe' | 'livenessProbe'> {
  const probe = (path: string) => ({ httpGet: { path, port: readyPort ?? admin?.port ?? port } });
  return {
    readinessProbe: probe(readyPath),
    ...(livePath === undefined ? {} : { livenessProbe: probe(livePath) }),
  };
}

/** Where a pod is, for its gateway to say. */
export const PLACE = [
  { name: 'POD_NAME', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
  { name: 'NODE_NAME', valueFrom: { fieldRef: { fieldPath: 'spec.nodeName' } } },
];

/** What the restricted Pod Security Standard asks of a container. */
const RESTRICTED = { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } };

/** The manifests for one cell: of the built-in gateway, or of the user's own. */
export function workload(axes: Axes, ownWorkload?: OwnWorkload): Workload {
  // By its name, because a controller that stands before an own gateway has another port.
  const targetPort = ownWorkload === undefined ? GATEWAY_PORT : 'ws';
  const ports = [{ name: 'ws', port: SERVICE_PORT, targetPort, protocol: 'TCP' }];
  const template = (version: Version): V1PodTemplateSpec => {
    const made = ownWorkload?.podTemplates?.[version];
    if (made !== undefined) return made;
    const container = ownWorkload === undefined ? builtIn(version, axes) : own(version, ownWorkload);
    return {
      spec: {
        securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
        automountServiceAccountToken: false,
        containers: [{ ...container, resources: { requests: { cpu: `${cpuRequest(axes)}m` } } }],
      },
    };
  };
  return {
    service: SERVICE,
    deployment(version, { name = `gateway-${version}`, replicas = axes.pods } = {}) {
      const labels = { app: 'gateway', release: name, version };
      return {
        apiVersion: 'apps/v1',
        kind: 'Deployment',
        metadata: { name, labels: { app: 'gateway', release: name } },
        spec: {
          replicas,
          ...(axes.minReady > 0 ? { minReadySeconds: seconds(axes.minReady) } : {}),
          selector: { matchLabels: { app: 'gateway', release: name } },
          strategy: {
            type: 'RollingUpdate',
            rollingUpdate: {
              maxSurge: numberOrPercent(axes.maxSurge),
              maxUnavailable: numberOrPercent(axes.maxUnavailable),
            },
          },
          template: placed(template(version), labels, axes),
        },
      };
    },
    loadBalancer(selector, name = SERVICE) {
      return {
        apiVersion: 'v1',
        kind: 'Service',
        metadata: { name, labels: { app: 'gateway' } },
        spec: {
          type: 'LoadBalancer',
          selector,
          externalTrafficPolicy: axes.policy,
          ...(axes.affinity === 'None' ? {} : { sessionAffinity: axes.affinity }),
          ...(axes.trafficDistribution === 'none' ? {} : { trafficDistribution: axes.trafficDistribution }),
          ports,
        },
      };
    },
    secondService: () => ({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: `${SERVICE}-all`, labels: { app: 'gateway' } },
      spec: { type: 'ClusterIP', selector: { app: 'gateway' }, ports },
    }),
  };
}

/** The container that takes WebSockets. */
export const isGateway = ({ ports }: V1Container) => ports?.some(({ name }) => name === 'ws') ?? false;

/** A template as one Deployment has it: with the labels that the run goes by, and ending as the axes say. */
function placed(
  { metadata, spec }: V1PodTemplateSpec,
  labels: Record<string, string>,
  axes: Axes,
): V1PodTemplateSpec {
  if (spec == null) throw new TypeError('the pod template has no spec');
  const { annotations, labels: before = {} } = metadata ?? {};
  const moved = <T>(rules: T) => relabelled(rules, before, labels);
  const { affinity, topologySpreadConstraints } = spec;
  return {
    metadata: { ...(annotations === undefined ? {} : { annotations }), labels: { ...before, ...labels } },
    spec: {
      ...spec,
      ...(affinity === undefined ? {} : { affinity: moved(affinity) }),
      ...(topologySpreadConstraints === undefined
        ? {}
        : { topologySpreadConstraints: moved(topologySpreadConstraints) }),
      terminationGracePeriodSeconds: seconds(axes.grace),
      containers: spec.containers.map((container) =>
        isGateway(container) ? probed(ending(container, axes), axes) : container,
      ),
    },
  };
}

/** The container with the preStop hook of the axes in place of its own. */
function ending(container: V1Container, { preStop }: Axes): V1Container {
  const { lifecycle: before, ...rest } = container;
  const { preStop: _, ...kept } = before ?? {};
  const lifecycle: V1Lifecycle = {
    ...kept,
    ...(preStop > 0 ? { preStop: { exec: { command: ['sleep', String(preStop / 1000)] } } } : {}),
  };
  return Object.values(lifecycle).some((hook) => hook !== undefined) ? { ...rest, lifecycle } : rest;
}

/** The container with the pace that the axes give its probes, where they give one. */
function probed(container: V1Container, axes: Axes): V1Container {
  const given = (name: 'probePeriod' | 'probeTimeout' | 'probeFailures') =>
    axes[name] !== AXES[name].schema.parse(AXES[name].fallback);
  const pace: Partial<V1Probe> = {
    ...(given('probePeriod') ? { periodSeconds: seconds(axes.probePeriod) } : {}),
    ...(given('probeTimeout') ? { timeoutSeconds: seconds(axes.probeTimeout) } : {}),
    ...(given('probeFailures') ? { failureThreshold: axes.probeFailures } : {}),
  };
  if (Object.keys(pace).length === 0) return container;
  const { readinessProbe, livenessProbe } = container;
  return {
    ...container,
    ...(readinessProbe === undefined ? {} : { readinessProbe: { ...readinessProbe, ...pace } }),
    ...(livenessProbe === undefined ? {} : { livenessProbe: { ...livenessProbe, ...pace } }),
  };
}

/** Rules by which pods attract or avoid each other, where they meant labels that the run has replaced. */
function relabelled<T>(rules: T, before: Record<string, string>, now: Record<string, string>): T {
  const follow = (selector: Record<string, string>) =>
    Object.fromEntries(
      Object.entries(selector).map(([name, value]) => [
        name,
        value === before[name] ? (now[name] ?? value) : value,
      ]),
    );
  const text = JSON.stringify(rules, (key, value) =>
    key === 'matchLabels' && value != null ? follow(value) : value,
  );
  return JSON.parse(text) as T;
}

const numberOrPercent = (text: string): number | string => (text.endsWith('%') ? text : Number(text));
