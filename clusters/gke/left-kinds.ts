import { MANAGED } from './labels.ts';

/** Where a Compute Engine resource is. */
export type Location = { readonly zone: string } | { readonly region: string } | { readonly global: true };

/** The flags that say where it is. */
export function locationFlags(group: string, location: Location): readonly string[] {
  if ('zone' in location) return ['--zone', location.zone];
  if ('region' in location) return ['--region', location.region];
  // Firewall rules and legacy health checks are global only and know no flag that says so.
  return group === 'firewall-rules' || group === 'http-health-checks' ? [] : ['--global'];
}

/** A kind of Compute Engine resource that GKE makes for a cluster or a Service. */
export interface LeftKind {
  /** gcloud's word for it. */
  readonly group: string;
  readonly filter: string;
  /** What it usually belongs to. */
  readonly place: 'zone' | 'region' | 'global';
}

/** GKE writes the Service's namespace into the description of all it makes for a Service (FACTS A1). */
const OF_SERVICE = 'description~onedrop-gke-';
const LABELLED = `labels.managed-by=${MANAGED['managed-by']}`;

/** In the order in which they can be deleted: nothing is deleted while something else uses it. */
export const LEFT_KINDS: readonly LeftKind[] = [
  { group: 'forwarding-rules', filter: OF_SERVICE, place: 'region' },
  { group: 'target-pools', filter: OF_SERVICE, place: 'region' },
  { group: 'backend-services', filter: OF_SERVICE, place: 'region' },
  { group: 'network-endpoint-groups', filter: OF_SERVICE, place: 'zone' },
  { group: 'http-health-checks', filter: OF_SERVICE, place: 'global' },
  { group: 'health-checks', filter: OF_SERVICE, place: 'region' },
  { group: 'addresses', filter: OF_SERVICE, place: 'region' },
  { group: 'firewall-rules', filter: OF_SERVICE, place: 'global' },
  { group: 'instances', filter: LABELLED, place: 'zone' },
  { group: 'disks', filter: LABELLED, place: 'zone' },
];
