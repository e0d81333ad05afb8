import type { KubernetesObject, V1Deployment, V1Service } from '@kubernetes/client-node';
import type { Axes } from '../contracts/axes.ts';
import type { Version } from '../contracts/workload.ts';
import { GATEWAY_PORT, SERVICE, SERVICE_PORT, workload } from './workload.ts';

/** Istio's placeholder: its webhook puts the proxy's image here where the template is `gateway`. */
export const MESH_GATEWAY_IMAGE = 'auto';

/** The label by which a pod asks for a sidecar. */
export const INJECT_LABEL = 'sidecar.istio.io/inject';
/** The annotation that picks what is injected: `gateway` makes the pod itself the proxy. */
export const TEMPLATE_ANNOTATION = 'inject.istio.io/templates';
/** The annotation by which a pod asks for a sidecar that ends after its application, or for one of old. */
export const NATIVE_SIDECAR_ANNOTATION = 'sidecar.istio.io/nativeSidecar';
/** The annotation with the proxy's own settings. */
export const PROXY_CONFIG_ANNOTATION = 'proxy.istio.io/config';

const INGRESS_GATEWAY = 'istio-ingressgateway';
/** Of our own: a Gateway would otherwise also open its port on the cluster's own ingress gateways, which Istio labels `ingressgateway`. */
const SELECTOR = { istio: 'onedrop-ingressgateway' };
const STATUS_PORT = 15_021;
/** Two, so that the proxy itself is not what everything hangs on. */
const REPLICAS = 2;
const API = 'networking.istio.io/v1';

/** Manifests for a gateway in a service mesh: an Istio ingress gateway stands behind the Service under test. */
export interface MeshWorkload {
  /** The ingress gateway's own Deployment and the labels of its pods, which the balancer's Service selects. */
  readonly ingressGateway: V1Deployment;
  readonly selector: Record<string, string>;
  /** The Service of both versions, by which the mesh knows them. */
  readonly service: V1Service;
  /** Gateway and DestinationRule: what a release never changes. */
  readonly routing: readonly KubernetesObject[];
  /** The VirtualService: `weight` of 100 new connections go to v2. */
  virtualService(weight: number): KubernetesObject;
  /** A version's Deployment with a sidecar in each pod. */
  deployment(version: Version): V1Deployment;
}

/** The manifests for one cell. */
export function meshWorkload(axes: Axes): MeshWorkload {
  const host = `${SERVICE}-mesh`;
  const selector = SELECTOR;
  const protocol = axes.meshRouting.toUpperCase();
  const port = { number: SERVICE_PORT };
  return {
    ingressGateway: ingressGateway({ app: INGRESS_GATEWAY, ...selector }),
    selector,
    service: {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: host, labels: { app: 'gateway' } },
      spec: {
        type: 'ClusterIP',
        selector: { app: 'gateway' },
        // Istio takes the protocol from the name's first part.
        ports: [{ name: `${axes.meshRouting}-ws`, port: SERVICE_PORT, targetPort: GATEWAY_PORT }],
      },
    },
    routing: [
      istio('Gateway', {
        selector,
        servers: [{ port: { number: GATEWAY_PORT, name: `${axes.meshRouting}-ws`, protocol }, hosts: ['*'] }],
      }),
      istio('DestinationRule', {
        host,
        subsets: (['v1', 'v2'] as const).map((version) => ({ name: version, labels: { version } })),
      }),
    ],
    virtualService: (weight) => {
      const route = [
        { destination: { host, subset: 'v1', port }, weight: 100 - weight },
        { destination: { host, subset: 'v2', port }, weight },
      ];
      return istio('VirtualService', {
        hosts: ['*'],
        gateways: [SERVICE],
        ...(axes.meshRouting === 'http'
          ? { http: [{ route }] }
          : { tcp: [{ match: [{ port: GATEWAY_PORT }], route }] }),
      });
    },
    deployment: (version) => withSidecar(workload(axes).deployment(version), axes),
  };
}

const istio = (kind: string, spec: object): KubernetesObject =>
  ({ apiVersion: API, kind, metadata: { name: SERVICE }, spec }) as KubernetesObject;

function withSidecar(deployment: V1Deployment, { exitOnZero, sidecars }: Axes): V1Deployment {
  const { spec } = deployment;
  if (spec === undefined) return deployment;
  const { metadata } = spec.template;
  const proxyConfig = { proxyMetadata: { EXIT_ON_ZERO_ACTIVE_CONNECTIONS: String(exitOnZero === 'yes') } };
  return {
    ...deployment,
    spec: {
      ...spec,
      template: {
        ...spec.template,
        metadata: {
          ...metadata,
          labels: { ...metadata?.labels, [INJECT_LABEL]: 'true' },
          annotations: {
            ...metadata?.annotations,
            [NATIVE_SIDECAR_ANNOTATION]: String(sidecars === 'native'),
            [PROXY_CONFIG_ANNOTATION]: JSON.stringify(proxyConfig),
          },
        },
      },
    },
  };
}

function ingressGateway(labels: Record<string, string>): V1Deployment {
  const probe = { httpGet: { path: '/healthz/ready', port: STATUS_PORT } };
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: INGRESS_GATEWAY, labels },
    spec: {
      replicas: REPLICAS,
      selector: { matchLabels: labels },
      template: {
        metadata: {
          labels: { ...labels, [INJECT_LABEL]: 'true' },
          annotations: { [TEMPLATE_ANNOTATION]: 'gateway' },
        },
        spec: {
          securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
          containers: [
            {
              name: 'istio-proxy',
              image: MESH_GATEWAY_IMAGE,
              env: [{ name: 'POD_NAME', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } }],
              ports: [{ name: 'ws', containerPort: GATEWAY_PORT }],
              readinessProbe: probe,
              securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
            },
          ],
        },
      },
    },
  };
}
