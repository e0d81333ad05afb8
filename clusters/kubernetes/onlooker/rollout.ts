import type { V1Deployment, V1Service, V1StatefulSet } from '@kubernetes/client-node';
import type { RolloutSeen } from '../../../harness/contracts/cluster.ts';
import type { ArgoRollout } from '../../../harness/contracts/kube.ts';
import { canonical } from '../../control-plane/store/canonical.ts';

/** What makes pods, of those that are rolled out. */
export type WorkloadKind = 'Deployment' | 'StatefulSet' | 'Rollout';
export type RolledOut = V1Deployment | V1StatefulSet | ArgoRollout;

/** Where a rollout stands. */
export interface Standing {
  /** What is the same as long as nothing new is to roll out. */
  readonly template: string;
  /** All that is wanted runs and is ready. Old pods may still be ending. */
  readonly complete: boolean;
  /** Why it does not go on. */
  readonly failed?: string;
}

/** Where the rollout of a workload stands, as `kubectl rollout status` judges it. */
export function standingOf(kind: WorkloadKind, object: RolledOut): Standing {
  switch (kind) {
    case 'Deployment':
      return deployment(object as V1Deployment);
    case 'StatefulSet':
      return statefulSet(object as V1StatefulSet);
    case 'Rollout':
      return argo(object as ArgoRollout);
  }
}

/** The same text for the same template: `kubectl rollout undo` puts back one with other orders and empty fields. */
const templateText = (template: unknown): string =>
  canonical(template, (field) => field !== null && field !== undefined);

const observed = ({ metadata, status }: V1Deployment | V1StatefulSet) =>
  (status?.observedGeneration ?? 0) >= (metadata?.generation ?? 0);

/** k8s kubectl pkg/polymorphichelpers/rollout_status.go, DeploymentStatusViewer. */
function deployment(object: V1Deployment): Standing {
  const { spec, status } = object;
  const { replicas = 0, updatedReplicas = 0, availableReplicas = 0, conditions = [] } = status ?? {};
  const wanted = spec?.replicas ?? 1;
  const late = conditions.find(
    ({ type, reason }) => type === 'Progressing' && reason === 'ProgressDeadlineExceeded',
  );
  const complete =
    observed(object) &&
    updatedReplicas >= wanted &&
    replicas <= updatedReplicas &&
    availableReplicas >= updatedReplicas;
  return {
    template: templateText(spec?.template),
    complete,
    ...(late === undefined || complete
      ? {}
      : { failed: late.message ?? 'its progress deadline was exceeded' }),
  };
}

/** The same file, StatefulSetStatusViewer; with OnDelete somebody else says when, and nothing is waited for. */
function statefulSet(object: V1StatefulSet): Standing {
  const { spec, status } = object;
  const { readyReplicas = 0, updatedReplicas = 0, currentRevision, updateRevision } = status ?? {};
  const wanted = spec?.replicas ?? 1;
  const partition = spec?.updateStrategy?.rollingUpdate?.partition ?? 0;
  const updated =
    partition > 0
      ? updatedReplicas >= wanted - partition
      : currentRevision === updateRevision || updatedReplicas >= wanted;
  const byHand = spec?.updateStrategy?.type === 'OnDelete';
  return {
    template: templateText(spec?.template),
    complete: observed(object) && (byHand || (readyReplicas >= wanted && updated)),
  };
}

/** Argo Rollouts tells its own phase; with a workloadRef the template is elsewhere, and its hash tells. */
function argo({ metadata, spec, status }: ArgoRollout): Standing {
  const { phase, message, observedGeneration, currentPodHash } = status ?? {};
  const current =
    observedGeneration === undefined || Number(observedGeneration) >= (metadata?.generation ?? 0);
  return {
    template: spec?.template === undefined ? String(currentPodHash) : templateText(spec.template),
    complete: current && phase === 'Healthy',
    ...(current && phase === 'Degraded' ? { failed: message ?? 'Degraded' } : {}),
  };
}

/**
 * Tells from the changes of objects when something begins to roll out, is undone, fails, or is over: all of it runs, and
 * no pod of it ends any more. A plain fold; `begun` is what there was before anybody looked.
 */
export class RolloutFold {
  /** By object: its template now; while it rolls out, the one of before as well. */
  private readonly objects = new Map<string, { template: string; before?: string; standing: Standing }>();
  private services = new Map<string, { selector: string; policy: string }>();
  private ready = false;

  /** All that existed has been told: what comes now is new. */
  begun(): void {
    this.ready = true;
  }

  workload(kind: WorkloadKind, object: RolledOut): RolloutSeen[] {
    const name = `${kind} ${object.metadata?.name}`;
    const standing = standingOf(kind, object);
    const known = this.objects.get(name);
    if (known === undefined) {
      this.objects.set(name, {
        template: standing.template,
        standing,
        ...(this.ready ? { before: '' } : {}),
      });
      return this.ready ? [{ edge: 'begin', object: name, what: 'template' }] : [];
    }
    known.standing = standing;
    if (standing.template === known.template) return this.fate(name, known);
    const undone = known.before !== undefined && standing.template === known.before;
    known.before = known.template;
    known.template = standing.template;
    return [{ edge: 'begin', object: name, what: undone ? 'undo' : 'template' }];
  }

  gone(kind: WorkloadKind, object: RolledOut): RolloutSeen[] {
    const name = `${kind} ${object.metadata?.name}`;
    const known = this.objects.get(name);
    this.objects.delete(name);
    return known?.before === undefined ? [] : [{ edge: 'end', object: name }];
  }

  /** Nothing of a Service rolls out: its change is over as soon as it is made. */
  service({ metadata, spec }: V1Service): RolloutSeen[] {
    const object = `Service ${metadata?.name}`;
    const now = {
      selector: JSON.stringify(spec?.selector),
      policy: spec?.externalTrafficPolicy ?? 'Cluster',
    };
    const before = this.services.get(object);
    this.services.set(object, now);
    if (before === undefined) return [];
    const what =
      before.selector !== now.selector ? 'selector' : before.policy !== now.policy ? 'policy' : undefined;
    return what === undefined
      ? []
      : [
          { edge: 'begin', object, what },
          { edge: 'end', object },
        ];
  }

  /** What is over, now that `ending` pods are still ending, or will not be, because a pod cannot start. */
  settled(ending: number, stuck?: string): RolloutSeen[] {
    return [...this.objects].flatMap(([name, known]) => {
      if (known.before === undefined) return [];
      const failed = known.standing.complete ? undefined : stuck;
      if (failed === undefined && (!known.standing.complete || ending > 0)) return [];
      delete known.before;
      return [{ edge: 'end', object: name, ...(failed === undefined ? {} : { failed }) } as const];
    });
  }

  private fate(name: string, known: { before?: string; standing: Standing }): RolloutSeen[] {
    const { failed } = known.standing;
    if (known.before === undefined || failed === undefined) return [];
    delete known.before;
    return [{ edge: 'end', object: name, failed }];
  }
}
