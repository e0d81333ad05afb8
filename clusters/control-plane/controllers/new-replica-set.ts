import type { V1Deployment, V1PodTemplateSpec, V1ReplicaSet } from '@kubernetes/client-node';
import { annotationsOf, createdAt, nameOf, ownedBy } from '../store/objects.ts';
import { HASH_LABEL, podTemplateHash } from '../store/pod-template-hash.ts';
import { maxSurge, replicasOf } from './fenceposts.ts';

export const REVISION = 'deployment.kubernetes.io/revision';
export const DESIRED = 'deployment.kubernetes.io/desired-replicas';
export const MAXIMUM = 'deployment.kubernetes.io/max-replicas';
/** `kubectl rollout undo` of old, and still obeyed by the controller: the revision to go back to, 0 for the one before. */
export const ROLLBACK_TO = 'deprecated.deployment.rollback.to';
const NOT_COPIED: ReadonlySet<string> = new Set([REVISION, DESIRED, MAXIMUM, ROLLBACK_TO]);

/** How large its Deployment was and could grow when a ReplicaSet was last sized; what proportional scaling goes by. */
export const sizeAnnotations = (deployment: V1Deployment): Record<string, string> => ({
  [DESIRED]: String(replicasOf(deployment)),
  [MAXIMUM]: String(replicasOf(deployment) + maxSurge(deployment)),
});

/** The order in which they were made, by name where that is equal. */
export const byCreation = (left: V1ReplicaSet, right: V1ReplicaSet) =>
  createdAt(left) - createdAt(right) || (nameOf(left) < nameOf(right) ? -1 : 1);

/** 0 where it says none. */
export const revisionOf = (object: V1ReplicaSet) => Number(annotationsOf(object)[REVISION] ?? 0);

/** The template without the label that tells ReplicaSets apart. */
export function bareTemplate(template: V1PodTemplateSpec | undefined): V1PodTemplateSpec {
  const { [HASH_LABEL]: _hash, ...labels } = template?.metadata?.labels ?? {};
  return { ...template, metadata: { ...template?.metadata, labels } };
}

/** A Deployment's annotations that its ReplicaSets get as well. */
export const copiedAnnotations = (deployment: V1Deployment): Record<string, string> =>
  Object.fromEntries(Object.entries(annotationsOf(deployment)).filter(([key]) => !NOT_COPIED.has(key)));

/** The ReplicaSet of the Deployment's present template, without pods (sync.go getNewReplicaSet). */
export function emptyReplicaSet(deployment: V1Deployment, revision: string): V1ReplicaSet {
  const template = deployment.spec?.template ?? {};
  const hash = podTemplateHash(template);
  const labels = { ...template.metadata?.labels, [HASH_LABEL]: hash };
  const selector = deployment.spec?.selector;
  return {
    apiVersion: 'apps/v1',
    kind: 'ReplicaSet',
    metadata: {
      name: `${nameOf(deployment)}-${hash}`,
      labels,
      annotations: {
        ...copiedAnnotations(deployment),
        [REVISION]: revision,
        ...sizeAnnotations(deployment),
      },
      ownerReferences: [ownedBy(deployment)],
    },
    spec: {
      replicas: 0,
      minReadySeconds: deployment.spec?.minReadySeconds ?? 0,
      selector: { ...selector, matchLabels: { ...selector?.matchLabels, [HASH_LABEL]: hash } },
      template: { ...template, metadata: { ...template.metadata, labels } },
    },
  };
}
