import type { V1Deployment, V1Service } from '@kubernetes/client-node';
import { INJECT_LABEL } from '../../../harness/workload/mesh-workload.ts';
import type { workload } from '../../../harness/workload/workload.ts';

/** The name of all that is the control group's, and its version. */
export const CONTROL = 'control';

/** The Deployment and Service of the control group, a pod that no step touches, by labels that no strategy's selector matches. */
export function controlGroup({ deployment, loadBalancer }: ReturnType<typeof workload>): {
  deployment: V1Deployment;
  service: V1Service;
} {
  // Where the namespace joins a mesh, the pod that nothing touches stays out of it.
  const labels = { app: CONTROL, release: CONTROL, version: CONTROL, [INJECT_LABEL]: 'false' };
  const made = deployment('v1', { name: CONTROL, replicas: 1 });
  const { spec } = made;
  if (spec === undefined) throw new TypeError('the workload has a Deployment without a spec');
  return {
    deployment: {
      ...made,
      metadata: { name: CONTROL, labels: { app: CONTROL } },
      spec: {
        ...spec,
        selector: { matchLabels: { app: CONTROL } },
        template: { ...spec.template, metadata: { labels } },
      },
    },
    service: {
      ...loadBalancer({ app: CONTROL }, CONTROL),
      metadata: { name: CONTROL, labels: { app: CONTROL } },
    },
  };
}
