import type { V1Deployment, V1Service } from '@kubernetes/client-node';
import type { Axes } from '../contracts/axes.ts';
import type { Version } from '../contracts/workload.ts';
import { GATEWAY_PORT, SERVICE_PORT, workload } from './workload.ts';

/** The image of the connection holder (harness/gateway/holder): rarely released, it keeps the clients. */
export const HOLDER_IMAGE = 'onedrop-holder';

/** The image of a gateway whose application is replaced inside its pod (harness/gateway/handoff). */
export const SUPERVISOR_IMAGE = 'onedrop-supervisor';

/** The Service by which the holder reaches the versioned gateway. */
export const UPSTREAM_SERVICE = 'gateway-upstream';

const HOLDER = 'holder';
/** What the holder's pods are selected by; not `app: gateway`, for they are of no version. */
export const HOLDER_LABELS = { app: HOLDER } as const;

/** As many holders as a version has gateways; `clusterIP` is the upstream Service's. */
export function holderDeployment(axes: Axes, clusterIP: string): V1Deployment {
  const base = workload(axes).deployment('v1', { name: HOLDER });
  const { spec } = withImage(base, HOLDER_IMAGE, {
    VERSION: HOLDER,
    UPSTREAM: `ws://${clusterIP}:${SERVICE_PORT}`,
  });
  return {
    ...base,
    metadata: { name: HOLDER, labels: HOLDER_LABELS },
    spec: {
      ...spec,
      selector: { matchLabels: HOLDER_LABELS },
      template: { ...spec?.template, metadata: { labels: HOLDER_LABELS } },
    },
  };
}

/** A Service inside the cluster that selects one version of the gateway. */
export function upstreamService(version: Version, { internalPolicy }: Axes): V1Service {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: UPSTREAM_SERVICE, labels: { app: 'gateway' } },
    spec: {
      type: 'ClusterIP',
      selector: { app: 'gateway', version },
      ...(internalPolicy === 'Local' ? { internalTrafficPolicy: internalPolicy } : {}),
      ports: [{ name: 'ws', port: SERVICE_PORT, targetPort: GATEWAY_PORT, protocol: 'TCP' }],
    },
  };
}

/** Gateways whose pods hold their sockets in a parent process, so that a worker of the next version can take them. */
export function supervisedDeployment(axes: Axes): V1Deployment {
  return withImage(workload(axes).deployment('v1', { name: 'gateway' }), SUPERVISOR_IMAGE, {});
}

function withImage(
  deployment: V1Deployment,
  image: string,
  env: Readonly<Record<string, string>>,
): V1Deployment {
  const { spec } = deployment;
  const pod = spec?.template.spec;
  if (spec === undefined || pod == null) return deployment;
  const [container, ...others] = pod.containers;
  if (container === undefined) return deployment;
  const changed = {
    ...container,
    image,
    env: [
      ...(container.env ?? []).filter(({ name }) => !(name in env)),
      ...Object.entries(env).map(([name, value]) => ({ name, value })),
    ],
  };
  return {
    ...deployment,
    spec: { ...spec, template: { ...spec.template, spec: { ...pod, containers: [changed, ...others] } } },
  };
}
