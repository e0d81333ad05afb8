import type {
  V1Deployment,
  V1Endpoint,
  V1EndpointSlice,
  V1Node,
  V1Pod,
  V1Service,
  V1StatefulSet,
  V2HorizontalPodAutoscaler,
} from '@kubernetes/client-node';
import type { EndpointView, TimedEvent } from '../../../harness/contracts/event.ts';
import type { ArgoRollout } from '../../../harness/contracts/kube.ts';

/** What is worth an event about an object, and the API's own time for it where the object tells one. */
export interface View {
  readonly event: TimedEvent;
  /** ISO 8601, to the second; Kubernetes stamps no finer. */
  readonly apiTime?: string;
}

/** Times come as Date from a typed list and as text from a watch. */
type Time = Date | string;
const iso = (time: Time) => new Date(time).toISOString();
const latest = (times: readonly (Time | undefined)[]): string | undefined =>
  times
    .filter((time) => time !== undefined)
    .map(iso)
    .sort()
    .at(-1);
const view = (event: TimedEvent, apiTime: string | undefined): View =>
  apiTime === undefined ? { event } : { event, apiTime };

/** A pod as the log tells it: terminating once it is being deleted, gone once its containers have ended. */
export function podView(pod: V1Pod, version = pod.metadata?.labels?.version ?? ''): View {
  const { metadata, spec, status } = pod;
  const ended = status?.phase === 'Succeeded' || status?.phase === 'Failed';
  const terminating = metadata?.deletionTimestamp != null;
  const running = status?.containerStatuses?.some(({ state }) => state?.running != null) ?? false;
  const phase = ended ? 'gone' : terminating ? 'terminating' : running ? 'running' : 'pending';
  const why = reasonOf(pod, terminating);
  return view(
    {
      type: 'pod',
      pod: metadata?.name ?? '',
      version,
      node: spec?.nodeName ?? '',
      phase,
      ready: status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false,
      ...(why === undefined ? {} : { why }),
    },
    terminating ? deletedAt(pod) : latest((status?.conditions ?? []).map((one) => one.lastTransitionTime)),
  );
}

/** The object is gone from the API. */
export function podGone(pod: V1Pod, version?: string): View {
  const { event } = podView(pod, version);
  return { event: { ...event, phase: 'gone', ready: false } as TimedEvent };
}

/** `deletionTimestamp` is when the grace period will be over; the deletion itself was that much earlier. */
function deletedAt({ metadata }: V1Pod): string {
  const end = new Date(metadata?.deletionTimestamp ?? 0).getTime();
  return iso(new Date(end - (metadata?.deletionGracePeriodSeconds ?? 0) * 1000));
}

function reasonOf({ metadata, status }: V1Pod, terminating: boolean): string | undefined {
  const ends = (status?.containerStatuses ?? []).flatMap(({ state, lastState }) => {
    const end = state?.terminated ?? lastState?.terminated;
    return end == null ? [] : [`${end.reason ?? 'exited'} (exit code ${end.exitCode})`];
  });
  const waiting = (status?.containerStatuses ?? []).flatMap(({ state }) => state?.waiting?.reason ?? []);
  if (terminating) ends.unshift(`deleted, ${metadata?.deletionGracePeriodSeconds ?? 0} s of grace`);
  if (status?.reason !== undefined) ends.push(status.reason);
  return [...ends, ...waiting].join('; ') || undefined;
}

/** All endpoints of one Service over all its slices, ordered by pod. */
export function endpointsView(service: string, slices: readonly V1EndpointSlice[]): View {
  const endpoints = slices
    .flatMap(({ endpoints }) => (endpoints ?? []).map(endpointView))
    .sort((left, right) => (left.pod < right.pod ? -1 : left.pod > right.pod ? 1 : 0));
  const triggered = slices.map(
    ({ metadata }) => metadata?.annotations?.['endpoints.kubernetes.io/last-change-trigger-time'],
  );
  return view({ type: 'endpoints', service, endpoints }, latest(triggered));
}

/** Servers before 1.22 do not tell `serving` and `terminating`: what is ready serves, and nothing terminates. */
function endpointView({ conditions, targetRef, nodeName, addresses }: V1Endpoint): EndpointView {
  const ready = conditions?.ready ?? true;
  return {
    pod: targetRef?.name ?? addresses[0] ?? '',
    node: nodeName ?? '',
    ready,
    serving: conditions?.serving ?? ready,
    terminating: conditions?.terminating ?? false,
  };
}

/** What the autoscaler says of itself in its conditions is its reason. */
export function autoscalerView({ spec, status }: V2HorizontalPodAutoscaler): View {
  const why = (status?.conditions ?? []).map(({ type, status, message }) => `${type} ${status}: ${message}`);
  return view(
    {
      type: 'autoscaler',
      target: spec?.scaleTargetRef.name ?? '',
      current: status?.currentReplicas ?? 0,
      desired: status?.desiredReplicas ?? 0,
      why: why.join('; '),
    },
    status?.lastScaleTime == null ? undefined : iso(status.lastScaleTime),
  );
}

export function replicasView({
  metadata,
  spec,
  status,
}: Pick<V1Deployment | V1StatefulSet | ArgoRollout, 'metadata' | 'spec' | 'status'>): View {
  return {
    event: {
      type: 'replicas',
      owner: metadata?.name ?? '',
      desired: spec?.replicas ?? 1,
      ready: status?.readyReplicas ?? 0,
    },
  };
}

/** All of a Service that decides where its packets go. */
export function serviceView({ metadata, spec, status }: V1Service): View {
  const addresses = (status?.loadBalancer?.ingress ?? []).map(({ ip, hostname }) => ip ?? hostname ?? '');
  const selector = Object.entries(spec?.selector ?? {}).map(([name, value]) => `${name}=${value}`);
  return {
    event: {
      type: 'evidence',
      source: `Service ${metadata?.name}`,
      values: {
        selector: selector.join(','),
        externalTrafficPolicy: spec?.externalTrafficPolicy ?? 'Cluster',
        healthCheckNodePort: spec?.healthCheckNodePort ?? 0,
        loadBalancer: addresses.join(',') || 'none yet',
      },
    },
  };
}

/** Whether the node takes pods and traffic; what a control plane thinks of it, not what the balancer does. */
export const isReady = ({ status }: V1Node): boolean =>
  status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false;

/** Where the node is reached from outside, or else from its own network. */
export function nodeAddress(node: V1Node | undefined): string | undefined {
  const of = (wanted: string) => node?.status?.addresses?.find(({ type }) => type === wanted)?.address;
  return of('ExternalIP') ?? of('InternalIP');
}
