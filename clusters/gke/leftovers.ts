import type { Removed } from '../../harness/contracts/cluster.ts';
import type { Holder } from '../kubernetes/lease/lease.ts';
import { nameFor } from '../kubernetes/lease/names.ts';
import type { Resource } from './gcloud-output.ts';
import { EXPIRES_LABEL, OWNER_LABEL, RUN_LABEL } from './labels.ts';

/** All that a run makes on GKE is named so; kept clusters are not. */
export const PREFIX = nameFor('gke', '');

/** Whose something is and until when, as far as its labels say. */
type Labels = Readonly<Record<string, string>>;

/** Who asks: the owner as it stands in labels, the time, and what is known of leases on this machine. */
export interface Asker {
  readonly owner: string;
  readonly now: Date;
  holder(lease: string): Promise<Holder>;
}

/** Without a lease nobody can say that a run is dead before this age. */
const CERTAINLY_DEAD = 6 * 3_600_000;

/** The run's namespace that a description names, such as `{"kubernetes.io/service-name":"onedrop-gke-x-0/gateway"}`. */
export const namespaceIn = (description: string): string | undefined =>
  /onedrop-gke-[a-z0-9-]*[a-z0-9]/.exec(description)?.[0];

/** Whether something with labels was left behind: its run on this machine is dead, or its time is over. */
export async function isAbandoned(labels: Labels, { owner, now, holder }: Asker): Promise<boolean> {
  const run = labels[RUN_LABEL] ?? '';
  if (labels[OWNER_LABEL] === owner) {
    const held = await holder(run);
    if (held !== 'unknown') return held === 'dead';
  }
  const expires = Number(labels[EXPIRES_LABEL]);
  return Number.isFinite(expires) && expires * 1000 < now.getTime();
}

/** Whether a resource without labels of its own, known by its Service's namespace, was left behind. */
export async function isLeftOver(resource: Resource, asker: Asker): Promise<boolean> {
  if (resource.labels[RUN_LABEL] !== undefined) return isAbandoned(resource.labels, asker);
  const namespace = namespaceIn(resource.description);
  if (namespace === undefined) return false;
  const held = await asker.holder(namespace);
  if (held !== 'unknown') return held === 'dead';
  return asker.now.getTime() - resource.created.getTime() > CERTAINLY_DEAD;
}

/** For the list of what was swept: `forwarding-rules` -> `GKE forwarding rule`. */
export const removed = (group: string, name: string): Removed => ({
  kind: `GKE ${group.replaceAll('-', ' ').slice(0, group.endsWith('sses') ? -2 : -1)}`,
  name,
});
