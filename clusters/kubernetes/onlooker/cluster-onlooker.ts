import type { CoreV1Event, KubeConfig, V1Service } from '@kubernetes/client-node';
import type { AxisTexts } from '../../../harness/contracts/axes.ts';
import type { Onlooker, OnlookerContext, RolloutSeen } from '../../../harness/contracts/cluster.ts';
import type { Kind } from '../../../harness/contracts/kube.ts';
import { KubeError } from '../../../harness/errors.ts';
import { whyNotStarting } from '../../../harness/run/not-starting.ts';
import { KubeClient } from '../api/kube-client.ts';
import { Observer } from '../api/observer.ts';
import { replicasView } from '../api/views.ts';
import { OfInterest, versionOf } from './of-interest.ts';
import { RolloutFold, type WorkloadKind } from './rollout.ts';
import { type FoundWorkload, workloadFindings } from './workload-findings.ts';

const WORKLOADS: readonly WorkloadKind[] = ['Deployment', 'StatefulSet', 'Rollout'];

/** All that is looked at; what may not be read, or is not installed, is left out and said so. */
const KINDS: readonly Kind[] = [
  ...WORKLOADS,
  ...(['Pod', 'Service', 'EndpointSlice', 'Node', 'HorizontalPodAutoscaler', 'Event'] as const),
];

/** Events that are worth a line: what went wrong, and what a node does to a pod. */
const TOLD: ReadonlySet<string> = new Set([
  'Killing',
  'Preempting',
  'Evicted',
  'NodeNotReady',
  'TaintManagerEviction',
]);

/** Longest text of an event that is kept, in characters. */
const LONGEST = 300;

/** What an onlooker of a namespace is given beside its context. */
export interface ClusterOnlookerOptions {
  readonly config: KubeConfig;
  readonly namespace: string;
  readonly service: V1Service;
  /** What is known of the cluster already. */
  readonly found: Pick<Onlooker, 'facts' | 'axes' | 'doubts'>;
}

/** Looks at one Service and all that is behind it, in somebody else's namespace. Only ever reads. */
export async function openOnlooker(
  { config, namespace, service, found }: ClusterOnlookerOptions,
  { clock, record, rollout, signal }: OnlookerContext,
): Promise<Onlooker> {
  const client = await KubeClient.connect({ config, clock, namespace, signal });
  const { reads, closed } = await readable(client);
  const interest = new OfInterest(service);
  const fold = new RolloutFold();
  let since = clock.now();
  const tell = (seen: readonly RolloutSeen[]) => {
    for (const one of seen) {
      if (one.edge === 'begin') since = clock.now();
      rollout(one);
    }
  };
  const made: FoundWorkload[] = [];
  for (const kind of WORKLOADS.filter((one) => reads.has(one)))
    for (const object of await client.list(kind))
      if (interest.concerns(object)) {
        tell(fold.workload(kind, object));
        made.push({ kind, object });
      }
  const pods = reads.has('Pod') ? (await client.list('Pod')).filter((pod) => interest.concerns(pod)) : [];
  fold.service(service);
  fold.begun();
  const behind = workloadFindings(made, pods);
  const observer: Observer = new Observer(client, clock, record, {
    reads,
    versionOf,
    concerns: (object) =>
      object.kind === 'HorizontalPodAutoscaler'
        ? interest.scales(object as never, workloadNames())
        : interest.concerns(object),
  });
  const workloadNames = () =>
    new Set(WORKLOADS.flatMap((kind) => observer.all(kind).map((one) => `${kind} ${one.metadata?.name}`)));
  const settle = () => {
    const own = observer.all('Pod').filter((pod) => interest.concerns(pod));
    const ending = own.filter(({ metadata }) => metadata?.deletionTimestamp != null).length;
    tell(fold.settled(ending, whyNotStarting(own, clock.now() - since)));
  };
  observer.on('Service', {
    changed(one) {
      interest.learn(one);
      if (interest.concerns(one)) tell(fold.service(one));
    },
  });
  observer.tellAll('StatefulSet', replicasView);
  if (reads.has('Rollout')) observer.tellAll('Rollout', replicasView);
  for (const kind of WORKLOADS.filter((one) => reads.has(one)))
    observer.on(kind, {
      changed(object) {
        if (interest.concerns(object)) tell(fold.workload(kind, object));
        settle();
      },
      gone: (object) => tell(fold.gone(kind, object)),
    });
  observer.on('Pod', { changed: settle, gone: settle });
  // What was told before anybody looked is no news.
  const told = new Set(
    reads.has('Event') ? (await client.list('Event')).map(({ metadata }) => metadata.name) : [],
  );
  const podNames = () =>
    new Set(
      observer
        .all('Pod')
        .filter((pod) => interest.concerns(pod))
        .map(({ metadata }) => `Pod ${metadata?.name}`),
    );
  observer.on('Event', {
    changed(event) {
      if (
        !isWorthIt(event) ||
        told.has(event.metadata.name) ||
        !interest.tells(event, new Set([...podNames(), ...workloadNames()]))
      )
        return;
      told.add(event.metadata.name);
      const { involvedObject, reason, message = '' } = event;
      observer.note(
        `${involvedObject.kind} ${involvedObject.name}: ${reason}: ${message.replaceAll(/\s+/g, ' ').slice(0, LONGEST)}`,
      );
    },
  });
  return {
    facts: { ...found.facts, ...behind.facts },
    axes: { ...found.axes, ...behind.axes } as AxisTexts,
    doubts: [...found.doubts, ...behind.doubts, ...closed],
    [Symbol.asyncDispose]: () => observer[Symbol.asyncDispose](),
  };
}

/** What is bad, or ends a pod. */
const isWorthIt = ({ type, reason = '' }: CoreV1Event) => type === 'Warning' || TOLD.has(reason);

/** Which kinds may be read, and what is not seen for want of that. */
async function readable(client: KubeClient): Promise<{ reads: Set<Kind>; closed: string[] }> {
  const reads = new Set<Kind>();
  const closed: string[] = [];
  for (const kind of KINDS) {
    if (!client.serves(kind)) continue;
    try {
      await client.list(kind);
      reads.add(kind);
    } catch (error) {
      if (!(error instanceof KubeError)) throw error;
      closed.push(`${kind}s are not seen: ${error.message}`);
    }
  }
  return { reads, closed };
}
