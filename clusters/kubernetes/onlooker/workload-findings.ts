import type { V1Container, V1Deployment, V1Pod, V1Probe, V1StatefulSet } from '@kubernetes/client-node';
import type { AxisTexts } from '../../../harness/contracts/axes.ts';
import type { RolledOut, WorkloadKind } from './rollout.ts';

/** A workload behind the watched Service. */
export interface FoundWorkload {
  readonly kind: WorkloadKind;
  readonly object: RolledOut;
}

/** What of the workloads decides a prediction, in words and as axes, and what of it cannot be predicted. */
export function workloadFindings(workloads: readonly FoundWorkload[], pods: readonly V1Pod[]) {
  const doubts: string[] = [];
  const facts: Record<string, string> = {};
  const [one, ...more] = [...workloads].sort((a, b) => replicasOf(b) - replicasOf(a));
  if (one === undefined) {
    doubts.push(
      `no Deployment, StatefulSet or Rollout behind the Service was found (${pods.length} pods): replicas and surge of the prediction are its defaults`,
    );
    return { facts, axes: {} as AxisTexts, doubts };
  }
  const { kind, object } = one;
  const name = (each: FoundWorkload) => `${each.kind} ${each.object.metadata?.name}`;
  if (more.length > 0) doubts.push(`${name(one)} is predicted, of ${[one, ...more].map(name).join(', ')}`);
  const pod = object.spec?.template?.spec ?? pods[0]?.spec;
  const container = gatewayOf(pod?.containers ?? []);
  const grace = pod?.terminationGracePeriodSeconds ?? 30;
  const preStop = container === undefined ? undefined : preStopOf(container, doubts);
  facts.workload = `${name(one)}, ${replicasOf(one)} replicas`;
  facts.strategy = strategyOf(one);
  facts.grace = `${grace} s`;
  facts.preStop = preStop === undefined ? 'none' : `${preStop} s`;
  facts.readinessProbe = probeOf(container?.readinessProbe);
  facts.livenessProbe = probeOf(container?.livenessProbe);
  if (object.spec?.minReadySeconds) facts.minReadySeconds = String(object.spec.minReadySeconds);
  const axes: AxisTexts = {
    ...(replicasOf(one) > 0 ? { pods: String(replicasOf(one)) } : {}),
    ...surgeOf(kind, object),
    grace: `${grace}s`,
    ...(preStop === undefined ? {} : { preStop: `${preStop}s` }),
  };
  if (kind === 'StatefulSet')
    doubts.push(
      'a StatefulSet is predicted as a Deployment that replaces one pod at a time: maxSurge 0, maxUnavailable 1',
    );
  if (kind === 'Rollout')
    doubts.push('the steps of an Argo Rollout are not modelled: predicted as a rolling update without them');
  doubts.push(
    'what the gateway does on SIGTERM is not known: predicted as --drain says (onedrop check finds out)',
  );
  return { facts, axes, doubts };
}

const replicasOf = ({ object }: FoundWorkload) => object.spec?.replicas ?? 1;

/** The container that takes WebSockets: whose port has such a name, else the first. */
const gatewayOf = (containers: readonly V1Container[]) =>
  containers.find(({ ports }) => ports?.some(({ name }) => /^(ws|wss|websocket|http)$/.test(name ?? ''))) ??
  containers[0];

function strategyOf({ kind, object }: FoundWorkload): string {
  if (kind === 'Rollout') return 'Argo Rollouts';
  if (kind === 'StatefulSet') {
    const { updateStrategy } = (object as V1StatefulSet).spec ?? {};
    const partition = updateStrategy?.rollingUpdate?.partition;
    return `${updateStrategy?.type ?? 'RollingUpdate'}${partition ? `, partition ${partition}` : ''}`;
  }
  const { strategy } = (object as V1Deployment).spec ?? {};
  const { maxSurge = '25%', maxUnavailable = '25%' } = strategy?.rollingUpdate ?? {};
  return strategy?.type === 'Recreate'
    ? 'Recreate'
    : `RollingUpdate, maxSurge ${maxSurge}, maxUnavailable ${maxUnavailable}`;
}

function surgeOf(kind: WorkloadKind, object: RolledOut): AxisTexts {
  if (kind === 'StatefulSet') return { maxSurge: '0', maxUnavailable: '1' };
  if (kind === 'Rollout') return {};
  const { strategy } = (object as V1Deployment).spec ?? {};
  if (strategy?.type === 'Recreate') return { maxSurge: '0', maxUnavailable: '100%' };
  const { maxSurge = '25%', maxUnavailable = '25%' } = strategy?.rollingUpdate ?? {};
  return { maxSurge: String(maxSurge), maxUnavailable: String(maxUnavailable) };
}

/** Seconds that a preStop hook sleeps; undefined: there is none, or it does something else. */
function preStopOf({ lifecycle }: V1Container, doubts: string[]): number | undefined {
  const hook = lifecycle?.preStop;
  if (hook === undefined) return undefined;
  const words = hook.exec?.command?.join(' ') ?? '';
  const [, slept] = /(?:^|\s|\/)sleep\s+(\d+)/.exec(words) ?? [];
  const seconds = hook.sleep?.seconds ?? (slept === undefined ? undefined : Number(slept));
  if (seconds === undefined) doubts.push('what the preStop hook does is not known: predicted as none');
  return seconds;
}

function probeOf(probe: V1Probe | undefined): string {
  if (probe === undefined) return 'none';
  const {
    httpGet,
    tcpSocket,
    exec,
    grpc,
    periodSeconds = 10,
    failureThreshold = 3,
    timeoutSeconds = 1,
  } = probe;
  const what =
    httpGet !== undefined
      ? `GET ${httpGet.path ?? '/'} on ${httpGet.port}`
      : tcpSocket !== undefined
        ? `TCP ${tcpSocket.port}`
        : exec !== undefined
          ? 'a command'
          : grpc !== undefined
            ? `gRPC ${grpc.port}`
            : 'unknown';
  return `${what} every ${periodSeconds} s, ${timeoutSeconds} s long, down after ${failureThreshold}`;
}
