import type {
  KubernetesObject,
  V1ConfigMap,
  V1Deployment,
  V1EnvVar,
  V1Ingress,
  V1Secret,
  V1Service,
} from '@kubernetes/client-node';
import type { Axes } from '../contracts/axes.ts';
import type { Version } from '../contracts/workload.ts';
import { type IngressProxy, PROXIES } from '../platforms/proxies.ts';
import type { Millis } from '../time/duration.ts';
import { GATEWAY_PORT, INGRESS_IMAGE, SERVICE, SERVICE_PORT } from './workload.ts';

const CONTROLLER = 'ingress';
const HEALTH_PORT = 10_254;
const ANNOTATION = 'nginx.ingress.kubernetes.io';
/** What stands for `never` where a number must. */
const YEAR: Millis = 31_536_000_000;
/** Two, so that the controller itself is not what everything hangs on. */
const REPLICAS = 2;

/** Manifests for a gateway behind an ingress controller: the controller stands behind the Service under test. */
export interface IngressWorkload {
  /** The controller's own Deployment and the labels of its pods, which the balancer's Service selects. */
  readonly controller: V1Deployment;
  readonly selector: Record<string, string>;
  /** Names of the two Services that connections are split between. */
  readonly main: string;
  readonly next: string;
  readonly canaryName: string;
  service(name: string, version: Version): V1Service;
  /** The Ingress that all connections come by, with this Service behind it. */
  ingress(service: string): V1Ingress;
  /** The canary Ingress: `weight` of 100 new connections go to the next Service. */
  canary(weight: number): V1Ingress;
  /** The same as one HTTPRoute of the Gateway API. */
  route(weight: number): KubernetesObject;
  /** Somebody else's Ingress or HTTPRoute: another host behind the same proxy. */
  neighbour(number: number): KubernetesObject;
  /** Somebody else's certificate, as issued for this time; only proxies of the run's own read it. */
  certificate(issue: number): V1Secret;
  /** The proxy's own settings, changed for this time. */
  settings(edition: number): V1ConfigMap;
}

/** The manifests for one cell. */
export function ingressWorkload(axes: Axes): IngressWorkload {
  const [main, next] = [`${SERVICE}-main`, `${SERVICE}-next`];
  const canaryName = `${SERVICE}-canary`;
  const selector = { app: CONTROLLER };
  const ingress = (
    name: string,
    service: string,
    annotations: Record<string, string>,
    host?: string,
  ): V1Ingress => ({
    apiVersion: 'networking.k8s.io/v1',
    kind: 'Ingress',
    metadata: {
      name,
      annotations: Object.fromEntries(
        Object.entries(annotations).map(([key, value]) => [`${ANNOTATION}/${key}`, value]),
      ),
    },
    spec: {
      ingressClassName: PROXIES[axes.ingress].ingressClass,
      rules: [
        {
          ...(host === undefined ? {} : { host }),
          http: {
            paths: [
              {
                path: '/',
                pathType: 'Prefix',
                backend: { service: { name: service, port: { number: SERVICE_PORT } } },
              },
            ],
          },
        },
      ],
    },
  });
  return {
    controller: controller(selector, axes),
    selector,
    main,
    next,
    canaryName,
    service: (name, version) => ({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name, labels: { app: 'gateway' } },
      spec: {
        type: 'ClusterIP',
        selector: { app: 'gateway', version },
        ports: [{ name: 'ws', port: SERVICE_PORT, targetPort: 'ws', protocol: 'TCP' }],
      },
    }),
    ingress: (service) => {
      const timeout = String(Math.ceil((axes.proxyReadTimeout ?? YEAR) / 1000));
      return ingress(SERVICE, service, { 'proxy-read-timeout': timeout, 'proxy-send-timeout': timeout });
    },
    canary: (weight) => ingress(canaryName, next, { canary: 'true', 'canary-weight': String(weight) }),
    route: (weight) =>
      route(SERVICE, undefined, [
        { name: main, port: SERVICE_PORT, weight: 100 - weight },
        { name: next, port: SERVICE_PORT, weight },
      ]),
    neighbour: (number) => {
      const name = `neighbour-${number}`;
      const host = `${name}.example`;
      return axes.ingressApi === 'ingress'
        ? ingress(name, main, {}, host)
        : route(name, host, [{ name: main, port: SERVICE_PORT }]);
    },
    certificate: (issue) => ({
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'neighbour-tls' },
      type: 'kubernetes.io/tls',
      data: { 'tls.crt': String(issue), 'tls.key': String(issue) },
    }),
    settings: (edition) => ({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: CONTROLLER },
      data: { edition: String(edition) },
    }),
  };
}

function route(name: string, host: string | undefined, backendRefs: readonly object[]): KubernetesObject {
  return {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'HTTPRoute',
    metadata: { name },
    spec: {
      parentRefs: [{ name: SERVICE }],
      ...(host === undefined ? {} : { hostnames: [host] }),
      rules: [{ matches: [{ path: { type: 'PathPrefix', value: '/' } }], backendRefs }],
    },
  } as KubernetesObject;
}

/** Which proxy it is, and what was set of it; what is not there is ingress-nginx, and each one's own. */
function proxyEnv(axes: Axes): V1EnvVar[] {
  const { ingress, workerShutdownTimeout, proxyReadTimeout, proxyLifetime } = axes;
  const { reload, idle, lifetime }: IngressProxy = PROXIES[ingress];
  const set = (name: string, time: Millis | undefined, own: Millis | undefined) =>
    time === own ? [] : [{ name, value: time === undefined ? 'never' : String(time) }];
  return [
    ...(ingress === 'ingress-nginx' ? [] : [{ name: 'INGRESS', value: ingress }]),
    ...set('WORKER_SHUTDOWN_TIMEOUT', workerShutdownTimeout, reload.keeps),
    ...set('IDLE_TIMEOUT', proxyReadTimeout, idle.after),
    ...set('LIFETIME', proxyLifetime, lifetime),
  ];
}

/** A Deployment of the proxy that the axes name, told by its environment which one it is and what was set. */
function controller(labels: Record<string, string>, axes: Axes): V1Deployment {
  const probe = { httpGet: { path: '/healthz', port: HEALTH_PORT } };
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: CONTROLLER, labels },
    spec: {
      replicas: REPLICAS,
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: {
          terminationGracePeriodSeconds: PROXIES[axes.ingress].termination.grace / 1000,
          securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
          containers: [
            {
              name: 'controller',
              image: INGRESS_IMAGE,
              env: [
                { name: 'PORT', value: String(GATEWAY_PORT) },
                { name: 'HEALTH_PORT', value: String(HEALTH_PORT) },
                ...proxyEnv(axes),
                { name: 'POD_NAME', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
              ],
              ports: [
                { name: 'ws', containerPort: GATEWAY_PORT },
                { name: 'health', containerPort: HEALTH_PORT },
              ],
              readinessProbe: probe,
              livenessProbe: probe,
              securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
            },
          ],
        },
      },
    },
  };
}
