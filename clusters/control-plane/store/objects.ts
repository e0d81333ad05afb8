import type { KubernetesObject, V1LabelSelector, V1OwnerReference } from '@kubernetes/client-node';
import type { Labels } from '../../../harness/contracts/kube.ts';
import type { Millis } from '../../../harness/time/duration.ts';

export const nameOf = (object: KubernetesObject) => object.metadata?.name ?? '';
export const uidOf = (object: KubernetesObject) => object.metadata?.uid ?? '';
export const labelsOf = (object: KubernetesObject): Labels => object.metadata?.labels ?? {};
export const annotationsOf = (object: KubernetesObject): Labels => object.metadata?.annotations ?? {};

/** Model time as the API writes it: metav1.Time has a resolution of one second. */
export const timestamp = (now: Millis) => new Date(Math.floor(now / 1000) * 1000);
/** Milliseconds of model time of an API timestamp; 0 for none. */
export const timeOf = (stamp: Date | undefined): Millis => stamp?.getTime() ?? 0;
export const createdAt = (object: KubernetesObject) => timeOf(object.metadata?.creationTimestamp);
export const isDeleting = (object: KubernetesObject) => object.metadata?.deletionTimestamp !== undefined;

/** The controller that owns this object, if any. */
export const controllerOf = (object: KubernetesObject): V1OwnerReference | undefined =>
  object.metadata?.ownerReferences?.find((owner) => owner.controller === true);

export const isControlledBy = (object: KubernetesObject, owner: KubernetesObject) =>
  controllerOf(object)?.uid === uidOf(owner);

/** The reference by which `owner` owns what its controller creates. */
export const ownedBy = (owner: KubernetesObject): V1OwnerReference => ({
  apiVersion: owner.apiVersion ?? 'v1',
  kind: owner.kind ?? '',
  name: nameOf(owner),
  uid: uidOf(owner),
  controller: true,
  blockOwnerDeletion: true,
});

/** Whether all of `required` are among `labels`. */
export const hasLabels = (labels: Labels, required: Labels) =>
  Object.entries(required).every(([key, value]) => labels[key] === value);

/** Whether a LabelSelector (matchLabels and matchExpressions) selects these labels; no selector selects nothing. */
export function selects(selector: V1LabelSelector | undefined, labels: Labels): boolean {
  if (selector === undefined) return false;
  if (!hasLabels(labels, selector.matchLabels ?? {})) return false;
  return (selector.matchExpressions ?? []).every(({ key, operator, values = [] }) => {
    const value = labels[key];
    switch (operator) {
      case 'In':
        return value !== undefined && values.includes(value);
      case 'NotIn':
        return value === undefined || !values.includes(value);
      case 'Exists':
        return value !== undefined;
      case 'DoesNotExist':
        return value === undefined;
      default:
        return false;
    }
  });
}
