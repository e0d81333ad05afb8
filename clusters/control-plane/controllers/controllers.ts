import type {
  KubernetesObject,
  V1Deployment,
  V1EndpointSlice,
  V1Pod,
  V1ReplicaSet,
} from '@kubernetes/client-node';
import type { EndpointView } from '../../../harness/contracts/event.ts';
import type { Context } from '../context.ts';
import { behaviourOf } from '../kubernetes-versions.ts';
import {
  controllerOf,
  hasLabels,
  isControlledBy,
  labelsOf,
  nameOf,
  selects,
  timestamp,
} from '../store/objects.ts';
import { isPodActive } from '../store/pods.ts';
import { syncDeployment } from './deployment.ts';
import { budgetStatus } from './disruption.ts';
import { SERVICE_NAME, syncEndpointSlices } from './endpoint-slice.ts';
import { replicasOf } from './fenceposts.ts';
import { syncReplicaSet } from './replica-set.ts';
import { schedule } from './scheduler.ts';
import { WorkQueue } from './work-queue.ts';

/** What a watch and a queue of kube-controller-manager or the scheduler take together. */
const LATENCY = { least: 2, most: 12 } as const;

/** kube-controller-manager and kube-scheduler: keep Deployments, ReplicaSets, bindings and EndpointSlices in line. */
export class Controllers implements Disposable {
  private readonly context: Context;
  private readonly deployments: WorkQueue;
  private readonly replicaSets: WorkQueue;
  private readonly scheduler: WorkQueue;
  private readonly slices: WorkQueue;
  private readonly budgets: WorkQueue;
  private readonly garbage: WorkQueue;
  private readonly endpointLog: WorkQueue;
  private readonly logged = new Map<string, string>();

  constructor(context: Context) {
    this.context = context;
    const random = context.random.fork('controllers');
    const queue = (sync: (key: string) => void) =>
      new WorkQueue(context.clock, sync, () => random.integer(LATENCY.least, LATENCY.most + 1));
    this.deployments = queue((name) => this.syncDeployment(name));
    this.replicaSets = queue((name) => this.syncReplicaSet(name));
    this.scheduler = queue(() => this.schedulePending());
    this.slices = queue((name) => this.syncSlices(name));
    this.budgets = queue((name) => this.syncBudget(name));
    this.garbage = queue((uid) => this.collectGarbage(uid));
    this.endpointLog = queue((service) => this.logEndpoints(service));
    context.store.watch((type, object, old) => this.changed(type, object, old));
  }

  [Symbol.dispose](): void {
    for (const queue of [
      this.deployments,
      this.replicaSets,
      this.scheduler,
      this.slices,
      this.budgets,
      this.garbage,
      this.endpointLog,
    ])
      queue[Symbol.dispose]();
  }

  private changed(type: string, object: KubernetesObject, old: KubernetesObject | undefined): void {
    if (type === 'deleted' && object.metadata?.uid) this.garbage.add(object.metadata.uid);
    switch (object.kind) {
      case 'Deployment':
        this.deployments.add(nameOf(object));
        this.logReplicas(object as V1Deployment);
        return;
      case 'ReplicaSet':
        this.replicaSets.add(nameOf(object));
        this.addOwner(object, 'Deployment', this.deployments);
        return;
      case 'Service':
        this.slices.add(nameOf(object));
        return;
      case 'PodDisruptionBudget':
        this.budgets.add(nameOf(object));
        return;
      case 'EndpointSlice':
        // One line for all slices that a sync changes.
        this.endpointLog.add(labelsOf(object)[SERVICE_NAME] ?? '', 0);
        return;
      case 'Node':
        this.scheduler.add('');
        return;
      case 'Pod':
        this.podChanged(type, object as V1Pod, old as V1Pod | undefined);
    }
  }

  private podChanged(type: string, pod: V1Pod, old: V1Pod | undefined): void {
    this.addOwner(pod, 'ReplicaSet', this.replicaSets);
    if (type === 'deleted' || pod.spec?.nodeName === undefined) this.scheduler.add('');
    // Recreate waits for pods to be gone, which no ReplicaSet's status tells (deployment_controller.go deletePod).
    if (type === 'deleted')
      for (const deployment of this.context.store.list('Deployment'))
        if (selects(deployment.spec?.selector, labelsOf(pod))) this.deployments.add(nameOf(deployment));
    for (const budget of this.context.store.list('PodDisruptionBudget'))
      if (selects(budget.spec?.selector, labelsOf(pod))) this.budgets.add(nameOf(budget));
    for (const service of this.context.store.list('Service')) {
      const selector = service.spec?.selector;
      if (selector === undefined || Object.keys(selector).length === 0) continue;
      if (hasLabels(labelsOf(pod), selector) || (old && hasLabels(labelsOf(old), selector)))
        this.slices.add(nameOf(service));
    }
  }

  private addOwner(object: KubernetesObject, kind: string, queue: WorkQueue): void {
    const owner = controllerOf(object);
    if (owner?.kind === kind) queue.add(owner.name);
  }

  private syncDeployment(name: string): void {
    const { store, clock } = this.context;
    const deployment = store.get('Deployment', name);
    if (deployment === undefined) return;
    const sets = store.list('ReplicaSet').filter((set) => isControlledBy(set, deployment));
    const pods = store.list('Pod').filter((pod) => selects(deployment.spec?.selector, labelsOf(pod)));
    const changes = syncDeployment(deployment, sets, pods, clock.now());
    for (const set of changes.created) store.create(set, clock.now());
    for (const set of changes.updated) store.update('ReplicaSet', nameOf(set), () => set);
    for (const set of changes.removed) store.delete('ReplicaSet', set, clock.now());
    if (changes.deployment !== deployment) store.update('Deployment', name, () => changes.deployment);
    if (changes.requeueAfter !== undefined) this.deployments.add(name, changes.requeueAfter);
  }

  private syncReplicaSet(name: string): void {
    const { store, clock } = this.context;
    const set = store.get('ReplicaSet', name);
    if (set === undefined) return;
    const pods = store.list('Pod');
    const own = pods.filter((pod) => isControlledBy(pod, set));
    const siblings = new Set(this.siblings(set).map(({ metadata }) => metadata?.uid));
    const related = pods.filter((pod) => isPodActive(pod) && siblings.has(controllerOf(pod)?.uid));
    const changes = syncReplicaSet(set, own, related, clock.now());
    for (const pod of changes.created) store.create(pod, clock.now());
    for (const pod of changes.deleted) store.delete('Pod', pod, clock.now());
    store.update('ReplicaSet', name, (current) => ({ ...current, status: changes.status }));
    if (changes.requeueAfter !== undefined) this.replicaSets.add(name, changes.requeueAfter);
  }

  /** The ReplicaSets of the same owner, this one included. */
  private siblings(set: V1ReplicaSet): V1ReplicaSet[] {
    const owner = controllerOf(set)?.uid;
    if (owner === undefined) return [set];
    return this.context.store.list('ReplicaSet').filter((other) => controllerOf(other)?.uid === owner);
  }

  private schedulePending(): void {
    const { store, clock } = this.context;
    const nodes = store.list('Node');
    const pending = store
      .list('Pod')
      .filter((pod) => pod.spec?.nodeName === undefined && isPodActive(pod))
      .sort(
        (left, right) => Number(left.metadata?.resourceVersion) - Number(right.metadata?.resourceVersion),
      );
    for (const pod of pending) {
      const node = schedule(pod, nodes, store.list('Pod'));
      if (node === undefined) continue;
      store.update('Pod', nameOf(pod), (current) => ({
        ...current,
        spec: { ...current.spec, nodeName: node } as NonNullable<V1Pod['spec']>,
        status: {
          ...current.status,
          conditions: [{ type: 'PodScheduled', status: 'True', lastTransitionTime: timestamp(clock.now()) }],
        },
      }));
    }
  }

  private syncSlices(name: string): void {
    const { store, clock, axes } = this.context;
    const service = store.get('Service', name);
    if (service === undefined) return;
    const existing = store.list('EndpointSlice', { [SERVICE_NAME]: name });
    const { trafficDistribution, terminatingEndpoints } = behaviourOf(axes.kubernetes);
    const changes = syncEndpointSlices(service, store.list('Pod'), store.list('Node'), existing, {
      terminating: terminatingEndpoints,
      trafficDistribution,
    });
    for (const slice of changes.created) store.create(slice, clock.now());
    for (const slice of changes.updated) store.update('EndpointSlice', nameOf(slice), () => slice);
    for (const slice of changes.removed) store.delete('EndpointSlice', slice, clock.now());
  }

  private syncBudget(name: string): void {
    const { store, clock } = this.context;
    const budget = store.get('PodDisruptionBudget', name);
    if (budget === undefined) return;
    const pods = store.list('Pod');
    const owners = new Set(
      pods
        .filter((pod) => selects(budget.spec?.selector, labelsOf(pod)))
        .map((pod) => store.get('ReplicaSet', controllerOf(pod)?.name ?? ''))
        .map((set) => (set && store.get('Deployment', controllerOf(set)?.name ?? '')) ?? set),
    );
    const replicas = [...owners].reduce((sum, owner) => sum + replicasOf(owner ?? {}), 0);
    const status = budgetStatus(budget, pods, replicas, clock.now());
    store.update('PodDisruptionBudget', name, (current) => ({ ...current, status }));
  }

  /** Background deletion: what the deleted object owned goes after it, pods with their grace period. */
  private collectGarbage(uid: string): void {
    const { store, clock } = this.context;
    for (const kind of ['ReplicaSet', 'Pod', 'EndpointSlice'] as const)
      for (const object of store.list<'ReplicaSet' | 'Pod' | 'EndpointSlice'>(kind))
        if (object.metadata?.ownerReferences?.some((owner) => owner.uid === uid))
          store.delete(kind, nameOf(object), clock.now());
  }

  private logReplicas(deployment: V1Deployment): void {
    const desired = replicasOf(deployment);
    const ready = deployment.status?.readyReplicas ?? 0;
    this.logOnce(`replicas/${nameOf(deployment)}`, `${desired}/${ready}`, () =>
      this.context.record({ type: 'replicas', owner: nameOf(deployment), desired, ready }),
    );
  }

  private logEndpoints(service: string): void {
    const slices: V1EndpointSlice[] = this.context.store.list('EndpointSlice', { [SERVICE_NAME]: service });
    const endpoints = slices
      .flatMap((slice) => slice.endpoints ?? [])
      .map(
        ({ targetRef, nodeName, conditions }): EndpointView => ({
          pod: targetRef?.name ?? '',
          node: nodeName ?? '',
          ready: conditions?.ready ?? true,
          serving: conditions?.serving ?? conditions?.ready ?? true,
          terminating: conditions?.terminating ?? false,
        }),
      )
      .sort((left, right) => (left.pod < right.pod ? -1 : 1));
    this.logOnce(`endpoints/${service}`, JSON.stringify(endpoints), () =>
      this.context.record({ type: 'endpoints', service, endpoints }),
    );
  }

  private logOnce(key: string, value: string, log: () => void): void {
    if (this.logged.get(key) === value) return;
    this.logged.set(key, value);
    log();
  }
}
