import type { V1LabelSelector } from '@kubernetes/client-node';
import type { Labels } from '../../harness/kube.ts';

/** Whether labels meet a selector; an empty or missing one is met by all (k8s apimachinery labels.Selector). */
export function meetsSelector(selector: V1LabelSelector | undefined, labels: Labels): boolean {
  const exact = Object.entries(selector?.matchLabels ?? {});
  return (
    exact.every(([name, value]) => labels[name] === value) &&
    (selector?.matchExpressions ?? []).every(({ key, operator, values = [] }) => {
      const value = labels[key];
      switch (operator) {
        case 'In':
          return value !== undefined && values.includes(value);
        case 'NotIn':
          return value === undefined || !values.includes(value);
        case 'Exists':
          return value !== undefined;
        default:
          return value === undefined;
      }
    })
  );
}
