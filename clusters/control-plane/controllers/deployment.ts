import { isDeepStrictEqual } from 'node:util';
import type { V1Deployment, V1Pod, V1ReplicaSet } from '@kubernetes/client-node';
import type { Millis } from '../../../harness/time/duration.ts';
import { annotationsOf, isControlledBy, isDeleting, nameOf } from '../store/objects.ts';
import { isPodFinished } from '../store/pods.ts';
import {
  availableReplicas,
  calculateStatus,
  condition,
  deploymentCondition,
  hasProgressDeadline,
  isComplete,
  PROGRESS,
  rolloutStatus,
  statusReplicas,
  withCondition,
} from './deployment-status.ts';
import { isRollingUpdate, maxSurge, maxUnavailable, replicasOf } from './fenceposts.ts';
import {
  bareTemplate,
  byCreation,
  copiedAnnotations,
  DESIRED,
  emptyReplicaSet,
  MAXIMUM,
  REVISION,
  ROLLBACK_TO,
  revisionOf,
  sizeAnnotations,
} from './new-replica-set.ts';

/** What one sync of the Deployment controller wants written, in this order. */
export interface DeploymentChanges {
  readonly created: readonly V1ReplicaSet[];
  readonly updated: readonly V1ReplicaSet[];
  readonly removed: readonly string[];
  /** The Deployment with its new status, revision or rolled-back template; the same object where nothing changed. */
  readonly deployment: V1Deployment;
  /** Look again after this long even if nothing changes. */
  readonly requeueAfter?: Millis;
}

/**
 * One sync of the Deployment controller: Recreate, RollingUpdate, pause, proportional scaling, revisions, rollback
 * and history (k8s pkg/controller/deployment/{deployment_controller,sync,rolling,recreate,rollback}.go).
 * `replicaSets` are those the Deployment owns, `pods` those its selector finds.
 */
export function syncDeployment(
  deployment: V1Deployment,
  replicaSets: readonly V1ReplicaSet[],
  pods: readonly V1Pod[],
  now: Millis,
): DeploymentChanges {
  const sync = new Sync(deployment, replicaSets, now);
  if (isDeleting(deployment)) return sync.finish();
  sync.noteWhetherPaused();
  if (deployment.spec?.paused) return sync.scaleOnly();
  if (annotationsOf(deployment)[ROLLBACK_TO] !== undefined) return sync.rollBack();
  if (sync.isScalingEvent()) return sync.scaleOnly();
  return isRollingUpdate(deployment) ? sync.roll() : sync.recreate(pods);
}

const specReplicas = (sets: readonly V1ReplicaSet[]) => sets.reduce((sum, set) => sum + replicasOf(set), 0);
const active = (sets: readonly V1ReplicaSet[]) => sets.filter((set) => replicasOf(set) > 0);

/** The working copy of one sync; what it changes it writes back into `sets`, as upstream goes on with what the API returned. */
class Sync {
  private deployment: V1Deployment;
  private readonly sets = new Map<string, V1ReplicaSet>();
  private readonly original: ReadonlyMap<string, V1ReplicaSet>;
  private readonly removed: string[] = [];
  private readonly now: Millis;
  private newName: string | undefined;

  constructor(deployment: V1Deployment, replicaSets: readonly V1ReplicaSet[], now: Millis) {
    this.deployment = deployment;
    this.now = now;
    for (const set of replicaSets) this.sets.set(nameOf(set), set);
    this.original = new Map(this.sets);
    const template = bareTemplate(deployment.spec?.template);
    const found = [...replicaSets]
      .sort(byCreation)
      .find((set) => isDeepStrictEqual(bareTemplate(set.spec?.template), template));
    if (found !== undefined) this.newName = nameOf(found);
  }

  finish(
    status = calculateStatus(this.all(), this.newSet(), this.deployment, this.now),
    requeueAfter?: Millis,
  ) {
    const deployment = isDeepStrictEqual(status, this.deployment.status)
      ? this.deployment
      : { ...this.deployment, status };
    const created: V1ReplicaSet[] = [];
    const updated: V1ReplicaSet[] = [];
    for (const [name, set] of this.sets)
      if (!this.original.has(name)) created.push(set);
      else if (this.original.get(name) !== set) updated.push(set);
    return {
      created,
      updated,
      removed: this.removed,
      deployment,
      ...(requeueAfter === undefined ? {} : { requeueAfter }),
    };
  }

  /** checkPausedConditions: time spent paused does not count against the progress deadline. */
  noteWhetherPaused(): void {
    if (!hasProgressDeadline(this.deployment)) return;
    const current = deploymentCondition(this.deployment.status, 'Progressing');
    if (current?.reason === PROGRESS.timedOut) return;
    const paused = this.deployment.spec?.paused === true;
    const noted = current?.reason === PROGRESS.paused;
    if (paused && !noted)
      this.note(condition('Progressing', 'Unknown', PROGRESS.paused, 'Deployment is paused', this.now));
    if (!paused && noted)
      this.note(condition('Progressing', 'Unknown', PROGRESS.resumed, 'Deployment is resumed', this.now));
  }

  isScalingEvent(): boolean {
    return active(this.all()).some((set) => {
      const desired = annotationsOf(set)[DESIRED];
      return desired !== undefined && Number(desired) !== replicasOf(this.deployment);
    });
  }

  /** `sync` of upstream: scales, but starts no rollout. */
  scaleOnly(): DeploymentChanges {
    this.syncRevision(false);
    this.scale();
    if (this.deployment.spec?.paused) this.cleanUp();
    return this.finish();
  }

  rollBack(): DeploymentChanges {
    const wanted = Number(annotationsOf(this.deployment)[ROLLBACK_TO]) || this.revisionBefore();
    const target = this.all().find((set) => revisionOf(set) === wanted);
    const { [ROLLBACK_TO]: _done, ...annotations } = annotationsOf(this.deployment);
    const template = target ? bareTemplate(target.spec?.template) : this.deployment.spec?.template;
    this.deployment = {
      ...this.deployment,
      metadata: { ...this.deployment.metadata, annotations },
      spec: { ...this.deployment.spec, template } as NonNullable<V1Deployment['spec']>,
    };
    return this.finish(this.deployment.status ?? {});
  }

  roll(): DeploymentChanges {
    this.syncRevision(true);
    if (!this.scaleUpNew() && !this.scaleDownOld() && isComplete(this.deployment, this.deployment.status))
      this.cleanUp();
    return this.finishRollout();
  }

  recreate(pods: readonly V1Pod[]): DeploymentChanges {
    this.syncRevision(false);
    const running = active(this.old());
    for (const set of running) this.resize(set, 0);
    if (running.length > 0 || this.oldPodsRun(pods)) return this.finishRollout();
    this.syncRevision(true);
    this.resize(this.newSet() as V1ReplicaSet, replicasOf(this.deployment));
    if (isComplete(this.deployment, this.deployment.status)) this.cleanUp();
    return this.finishRollout();
  }

  private finishRollout(): DeploymentChanges {
    const { status, requeueAfter } = rolloutStatus(this.all(), this.newSet(), this.deployment, this.now);
    return this.finish(status, requeueAfter);
  }

  private all = () => [...this.sets.values()];
  private newSet = () => (this.newName === undefined ? undefined : this.sets.get(this.newName));
  private old = () => this.all().filter((set) => nameOf(set) !== this.newName);

  private note(added: ReturnType<typeof condition>): void {
    const conditions = withCondition(this.deployment.status?.conditions ?? [], added);
    this.deployment = { ...this.deployment, status: { ...this.deployment.status, conditions } };
  }

  /** getNewReplicaSet: finds the ReplicaSet of this template or creates it, and numbers it as the newest revision. */
  private syncRevision(create: boolean): void {
    const revision = String(Math.max(0, ...this.old().map(revisionOf)) + 1);
    const existing = this.newSet();
    if (existing !== undefined) {
      const annotations = { ...annotationsOf(existing), ...copiedAnnotations(this.deployment) };
      if (Number(revision) > revisionOf(existing)) annotations[REVISION] = revision;
      const minReadySeconds = this.deployment.spec?.minReadySeconds ?? 0;
      const stale =
        !isDeepStrictEqual(annotations, annotationsOf(existing)) ||
        (existing.spec?.minReadySeconds ?? 0) !== minReadySeconds;
      if (stale)
        this.sets.set(nameOf(existing), {
          ...existing,
          metadata: { ...existing.metadata, annotations },
          spec: { ...existing.spec, minReadySeconds } as NonNullable<V1ReplicaSet['spec']>,
        });
      this.setRevision(annotations[REVISION] ?? revision);
      if (hasProgressDeadline(this.deployment) && !deploymentCondition(this.deployment.status, 'Progressing'))
        this.note(
          condition(
            'Progressing',
            'True',
            PROGRESS.found,
            `Found new replica set "${nameOf(existing)}"`,
            this.now,
          ),
        );
      return;
    }
    if (!create) return;
    const created = this.newReplicaSet(revision);
    this.newName = nameOf(created);
    this.sets.set(this.newName, created);
    this.setRevision(revision);
    if (hasProgressDeadline(this.deployment))
      this.note(
        condition(
          'Progressing',
          'True',
          PROGRESS.created,
          `Created new replica set "${this.newName}"`,
          this.now,
        ),
      );
  }

  private newReplicaSet(revision: string): V1ReplicaSet {
    const empty = emptyReplicaSet(this.deployment, revision);
    const replicas = this.newReplicas(empty, this.all());
    return { ...empty, spec: { ...empty.spec, replicas } as NonNullable<V1ReplicaSet['spec']> };
  }

  private setRevision(revision: string): void {
    if (annotationsOf(this.deployment)[REVISION] === revision) return;
    const annotations = { ...annotationsOf(this.deployment), [REVISION]: revision };
    this.deployment = { ...this.deployment, metadata: { ...this.deployment.metadata, annotations } };
  }

  /** The revision to undo to when none is named: the second highest (deployment_util.go LastRevision). */
  private revisionBefore(): number {
    return (
      this.all()
        .map(revisionOf)
        .sort((left, right) => right - left)[1] ?? 0
    );
  }

  /** NewRSNewReplicas: as many as fit under replicas + surge. */
  private newReplicas(set: V1ReplicaSet, all: readonly V1ReplicaSet[]): number {
    const wanted = replicasOf(this.deployment);
    if (!isRollingUpdate(this.deployment)) return wanted;
    const room = wanted + maxSurge(this.deployment) - specReplicas(all);
    if (room <= 0) return replicasOf(set);
    return replicasOf(set) + Math.min(room, wanted - replicasOf(set));
  }

  private scaleUpNew(): boolean {
    const set = this.newSet() as V1ReplicaSet;
    const wanted = replicasOf(this.deployment);
    if (replicasOf(set) === wanted) return false;
    return this.resize(set, replicasOf(set) > wanted ? wanted : this.newReplicas(set, this.all()));
  }

  /** reconcileOldReplicaSets: not-ready pods go first, then as many as availability allows, oldest ReplicaSet first. */
  private scaleDownOld(): boolean {
    const newSet = this.newSet() as V1ReplicaSet;
    const old = () => active(this.old()).sort(byCreation);
    if (old().length === 0) return false;
    const minAvailable = replicasOf(this.deployment) - maxUnavailable(this.deployment);
    const newUnavailable = replicasOf(newSet) - (newSet.status?.availableReplicas ?? 0);
    const most = specReplicas(this.all()) - minAvailable - newUnavailable;
    if (most <= 0) return false;
    const cleaned = this.takeFrom(
      old(),
      most,
      (set) => replicasOf(set) - (set.status?.availableReplicas ?? 0),
    );
    const available = availableReplicas([...old(), newSet]);
    const scaled = this.takeFrom(old(), available - minAvailable, replicasOf);
    return cleaned + scaled > 0;
  }

  /** Takes up to `most` replicas, from each set at most what `takeable` says. */
  private takeFrom(
    sets: readonly V1ReplicaSet[],
    most: number,
    takeable: (set: V1ReplicaSet) => number,
  ): number {
    let taken = 0;
    for (const set of sets) {
      const count = Math.min(most - taken, takeable(set), replicasOf(set));
      if (count <= 0) continue;
      this.resize(set, replicasOf(set) - count);
      taken += count;
    }
    return taken;
  }

  /** oldPodsRunning: Recreate waits until the last old pod, terminating or not, is gone. */
  private oldPodsRun(pods: readonly V1Pod[]): boolean {
    if (statusReplicas(this.old()) > 0) return true;
    const newSet = this.newSet();
    return pods.some((pod) => !isPodFinished(pod) && !(newSet && isControlledBy(pod, newSet)));
  }

  /** The Deployment's size changed: the one active set follows, or all of them in proportion (sync.go scale). */
  private scale(): void {
    const wanted = replicasOf(this.deployment);
    const single = this.activeOrLatest();
    if (single !== undefined) {
      if (replicasOf(single) !== wanted) this.resize(single, wanted);
      return;
    }
    const newSet = this.newSet();
    if (newSet !== undefined && this.isSaturated(newSet)) {
      for (const set of active(this.old())) this.resize(set, 0);
      return;
    }
    if (isRollingUpdate(this.deployment)) this.scaleInProportion();
  }

  private activeOrLatest(): V1ReplicaSet | undefined {
    const running = active(this.all());
    if (running.length > 1) return undefined;
    return running[0] ?? this.newSet() ?? this.old().sort(byCreation).at(-1);
  }

  private isSaturated(set: V1ReplicaSet): boolean {
    const wanted = replicasOf(this.deployment);
    return (
      replicasOf(set) === wanted &&
      Number(annotationsOf(set)[DESIRED]) === wanted &&
      set.status?.availableReplicas === wanted
    );
  }

  private scaleInProportion(): void {
    const wanted = replicasOf(this.deployment);
    const allowed = wanted > 0 ? wanted + maxSurge(this.deployment) : 0;
    const sets = active(this.all());
    const toAdd = allowed - specReplicas(sets);
    // Largest first; of equal ones the newer when growing, the older when shrinking.
    sets.sort(
      (left, right) =>
        replicasOf(right) - replicasOf(left) ||
        (toAdd > 0 ? byCreation(right, left) : byCreation(left, right)),
    );
    let added = 0;
    const sizes = sets.map((set) => {
      const share = toAdd === 0 || toAdd === added ? 0 : this.proportion(set, toAdd, toAdd - added);
      added += share;
      return replicasOf(set) + share;
    });
    for (const [index, set] of sets.entries()) {
      const leftover = index === 0 ? toAdd - added : 0;
      this.resize(set, Math.max(0, (sizes[index] as number) + leftover));
    }
  }

  private proportion(set: V1ReplicaSet, toAdd: number, left: number): number {
    const size = replicasOf(set);
    const wanted = replicasOf(this.deployment);
    const before = Number(annotationsOf(set)[MAXIMUM] ?? this.deployment.status?.replicas ?? 0);
    const fraction =
      wanted === 0 ? -size : Math.round((size * (wanted + maxSurge(this.deployment))) / before) - size;
    return toAdd > 0 ? Math.min(fraction, left) : Math.max(fraction, left);
  }

  private resize(set: V1ReplicaSet, replicas: number): boolean {
    const annotations = { ...annotationsOf(set), ...sizeAnnotations(this.deployment) };
    const resized = replicas !== replicasOf(set);
    if (!resized && isDeepStrictEqual(annotations, annotationsOf(set))) return false;
    this.sets.set(nameOf(set), {
      ...set,
      metadata: { ...set.metadata, annotations },
      spec: { ...set.spec, replicas } as NonNullable<V1ReplicaSet['spec']>,
    });
    return resized;
  }

  /** Keeps revisionHistoryLimit old, empty ReplicaSets to go back to. */
  private cleanUp(): void {
    const limit = this.deployment.spec?.revisionHistoryLimit ?? 10;
    const empty = this.old().filter(
      (set) =>
        replicasOf(set) === 0 &&
        (set.status?.replicas ?? 0) === 0 &&
        (set.metadata?.generation ?? 0) <= (set.status?.observedGeneration ?? 0) &&
        !isDeleting(set),
    );
    empty.sort((left, right) => revisionOf(left) - revisionOf(right));
    for (const set of empty.slice(0, Math.max(0, empty.length - limit))) {
      this.sets.delete(nameOf(set));
      this.removed.push(nameOf(set));
    }
  }
}
