import type { KubernetesObject, V1Deployment, V1Ingress, V1Service } from '@kubernetes/client-node';
import type { Axes } from '../contracts/axes.ts';
import type { Version } from '../contracts/workload.ts';
import { GATEWAY_PORT, INGRESS_IMAGE, SERVICE, SERVICE_PORT } from './workload.ts';

const CONTROLLER = 'ingress';
const HEALTH_PORT = 10_254;
const ANNOTATION = 'nginx.ingress.kubernetes.io';
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
}

/** The manifests for one cell. */
export function ingressWorkload(axes: Axes): IngressWorkload {
  const [main, next] = [`${SERVICE}-main`, `${SERVICE}-next`];
  const canaryName = `${SERVICE}-canary`;
  const selector = { app: CONTROLLER };
  const ingress = (name: string, service: string, annotations: Record<string, string>): V1Ingress => ({
    apiVersion: 'networking.k8s.io/v1',
    kind: 'Ingress',
    metadata: {
      name,
      annotations: Object.fromEntries(
        Object.entries(annotations).map(([key, value]) => [`${ANNOTATION}/${key}`, value]),
      ),
    },
    spec: {
      ingressClassName: 'nginx',
      rules: [
        {
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
    controller: controller(selector),
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
      const timeout = String(Math.ceil(axes.proxyReadTimeout / 1000));
      return ingress(SERVICE, service, { 'proxy-read-timeout': timeout, 'proxy-send-timeout': timeout });
    },
    canary: (weight) => ingress(canaryName, next, { canary: 'true', 'canary-weight': String(weight) }),
    route: (weight) =>
      ({
        apiVersion: 'gateway.networking.k8s.io/v1',
        kind: 'HTTPRoute',
        metadata: { name: SERVICE },
        spec: {
          parentRefs: [{ name: SERVICE }],
          rules: [
            {
              matches: [{ path: { type: 'PathPrefix', value: '/' } }],
              backendRefs: [
                { name: main, port: SERVICE_PORT, weight: 100 - weight },
                { name: next, port: SERVICE_PORT, weight },
              ],
            },
          ],
        },
      }) as KubernetesObject,
  };
}

function controller(labels: Record<string, string>): V1Deployment {
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
          // ing deploy/static: longer than worker-shutdown-timeout, so that a release of nginx itself can drain.
          terminationGracePeriodSeconds: 300,
          securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
          containers: [
            {
              name: 'controller',
              image: INGRESS_IMAGE,
              env: [
                { name: 'PORT', value: String(GATEWAY_PORT) },
                { name: 'HEALTH_PORT', value: String(HEALTH_PORT) },
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
