import type { V1Deployment, V1PodTemplateSpec, V1Service } from '@kubernetes/client-node';

/** The version a pod carries in its `version` label and its gateway greets with. */
export type Version = 'v1' | 'v2';

/** What the pods of each version are made of where a chart says so; the gateway's port is named `ws` there. */
export type PodTemplates = Readonly<Record<Version, V1PodTemplateSpec>>;

/** Manifests of the gateway under test, as plain Kubernetes objects. */
export interface Workload {
  readonly service: string;
  /**
   * A Deployment of one version. `name` defaults to `gateway-<version>`; a Deployment that changes version in place
   * (rolling update) is given a name of its own and selects by that name only.
   */
  deployment(version: Version, options?: { name?: string; replicas?: number }): V1Deployment;
  /** The Service under test, type LoadBalancer, with this selector. */
  loadBalancer(selector: Record<string, string>, name?: string): V1Service;
  /** Another Service, type ClusterIP, that selects the gateway's pods of every version. */
  secondService(): V1Service;
}
