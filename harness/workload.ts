import type { V1Deployment, V1Service } from '@kubernetes/client-node';
import type { Axes } from './axes.ts';
import { calmUse, gatewayCost } from './gateway/cost.ts';
import type { Version } from './scenario.ts';

export const SERVICE = 'gateway';
export const GATEWAY_PORT = 8080;
export const ADMIN_PORT = 8081;
export const SERVICE_PORT = 80;

/** The image that embedded clusters run as the built-in gateway, and that kind and GKE replace by the built one. */
export const GATEWAY_IMAGE = 'onedrop-gateway';

/** The image that embedded clusters run as the ingress controller: nginx and what drives it. */
export const INGRESS_IMAGE = 'onedrop-ingress';

/** Manifests of the gateway under test, as plain Kubernetes objects. */
export interface Workload {
  readonly service: string;
  /**
   * A Deployment of one version. `name` defaults to `gateway-<version>`; a Deployment that changes version in place
   * (rolling update) is given a name of its own and selects by that name only.
   */
  deployment(version: Version, options?: { name?: string; replicas?: number }): V1Deployment;
  /** The Service under test, type LoadBalancer, with this selector. */
  loadBalancer(selector: Record<string, string>, name?: string): V1Service;
}

const seconds = (millis: number) => Math.ceil(millis / 1000);

/** A calm pod uses half of what it requests, as teams size them. */
export const CALM_UTILIZATION = 0.5;

/** What a pod requests of the CPU, in millicores: twice what its share of the clients uses in calm. */
const cpuRequest = ({ clients, pods, heartbeat, ...application }: Axes): number =>
  Math.ceil(calmUse(clients / pods, heartbeat, gatewayCost(application)) / CALM_UTILIZATION);

/** The built-in gateway's manifests for one cell. */
export function workload(axes: Axes): Workload {
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
          selector: { matchLabels: { app: 'gateway', release: name } },
          strategy: {
            type: 'RollingUpdate',
            rollingUpdate: {
              maxSurge: numberOrPercent(axes.maxSurge),
              maxUnavailable: numberOrPercent(axes.maxUnavailable),
            },
          },
          template: {
            metadata: { labels },
            spec: {
              terminationGracePeriodSeconds: seconds(axes.grace),
              securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
              automountServiceAccountToken: false,
              containers: [
                {
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
                    { name: 'POD_NAME', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
                    { name: 'NODE_NAME', valueFrom: { fieldRef: { fieldPath: 'spec.nodeName' } } },
                  ],
                  ports: [
                    { name: 'ws', containerPort: GATEWAY_PORT },
                    { name: 'admin', containerPort: ADMIN_PORT },
                  ],
                  resources: { requests: { cpu: `${cpuRequest(axes)}m` } },
                  readinessProbe: { httpGet: { path: '/readyz', port: ADMIN_PORT } },
                  livenessProbe: { httpGet: { path: '/livez', port: ADMIN_PORT } },
                  ...(axes.preStop > 0
                    ? {
                        lifecycle: { preStop: { exec: { command: ['sleep', String(axes.preStop / 1000)] } } },
                      }
                    : {}),
                  securityContext: {
                    allowPrivilegeEscalation: false,
                    readOnlyRootFilesystem: true,
                    capabilities: { drop: ['ALL'] },
                  },
                },
              ],
            },
          },
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
          ports: [{ name: 'ws', port: SERVICE_PORT, targetPort: GATEWAY_PORT, protocol: 'TCP' }],
        },
      };
    },
  };
}

const numberOrPercent = (text: string): number | string => (text.endsWith('%') ? text : Number(text));
