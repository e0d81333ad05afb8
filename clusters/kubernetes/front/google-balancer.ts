import type { V1Service } from '@kubernetes/client-node';
import type { Axes } from '../../../harness/contracts/axes.ts';

/** A Service that gets the balancer of the axis on GKE, which makes a target pool without the annotation (FACTS A1). */
export function withBalancer(service: V1Service, { balancer }: Axes): V1Service {
  if (balancer === 'target-pool') return service;
  const annotations = { ...service.metadata?.annotations, 'cloud.google.com/l4-rbs': 'enabled' };
  return { ...service, metadata: { ...service.metadata, annotations } };
}
