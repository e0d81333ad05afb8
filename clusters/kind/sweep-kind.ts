import { NOTHING_LEFT, type Removed, type Swept, type Unseen } from '../../harness/contracts/cluster.ts';
import { ScaledClock } from '../../harness/time/scaled-clock.ts';
import { command, lines } from '../command.ts';
import {
  deadLeases,
  forgetLease,
  forgetStrays,
  leaseHolder,
  takeFreeLease,
} from '../kubernetes/lease/lease.ts';
import { MANAGED_BY, nameFor } from '../kubernetes/lease/names.ts';
import { endOrphans, heeding, type OwnedCommand } from '../kubernetes/lease/owned-command.ts';
import { wallTime } from '../kubernetes/lease/wall-time.ts';
import { LEASE_LABEL } from './balancer-boxes.ts';
import { deleteKindCluster, isComplete } from './kind-cluster.ts';

/** What kind itself labels its containers with. */
export const CLUSTER_LABEL = 'io.x-k8s.kind.cluster';

/** All that a run makes with kind is named so; kept clusters are not. */
const PREFIX = nameFor('kind', '');

/** What clusters are named that are kept for later runs. */
export const KEPT = nameFor('keep', '');

/** Without its lease (another machine's, or /tmp was cleared) nobody can say that a run is dead before this age. */
const CERTAINLY_DEAD = 6 * 3_600_000;

interface Container {
  readonly Id: string;
  readonly Name: string;
  readonly Created: string;
  readonly State: { readonly Status: string };
  readonly Config: { readonly Labels: Readonly<Record<string, string>> | null };
}

/** Removes containers, networks and clusters of runs that are dead, and what still worked for them. */
export async function sweepKind(signal?: AbortSignal): Promise<Swept> {
  const run = heeding(command, signal);
  const removed: Removed[] = [];
  const unseen: Unseen[] = [];
  const leases = (await deadLeases()).filter((lease) => lease.startsWith(PREFIX) || lease.startsWith(KEPT));
  try {
    await run('docker', ['version']);
  } catch (error) {
    // Where no run of kind's is known to have died, an engine that is not there holds nothing of onedrop's either.
    if (leases.length === 0) return NOTHING_LEFT;
    return { removed, unseen: [{ what: `kind (${leases.join(', ')})`, why: (error as Error).message }] };
  }
  try {
    await removeDead(run, signal, removed, unseen);
  } catch (error) {
    unseen.push({ what: 'kind', why: (error as Error).message });
  }
  return { removed, unseen };
}

async function removeDead(
  run: OwnedCommand,
  signal: AbortSignal | undefined,
  removed: Removed[],
  unseen: Unseen[],
): Promise<void> {
  const dead = new Set((await deadLeases()).filter((lease) => lease.startsWith(PREFIX)));
  // Nothing may be made any more while it is being removed.
  for (const lease of dead) endOrphans(lease);
  const containers = await ownContainers(run);
  for (const container of containers) {
    const lease = leaseOf(container.Config.Labels);
    if (lease !== undefined && (await isDead(lease, container))) dead.add(lease);
  }
  for (const { Id, Name, Config } of containers) {
    const labels = Config.Labels ?? {};
    if (labels[LEASE_LABEL] === undefined || !dead.has(labels[LEASE_LABEL])) continue;
    await run('docker', ['rm', '--force', '--volumes', Id]);
    removed.push({ kind: 'container', name: Name.replace(/^\//, '') });
  }
  const networks = (await lines('docker', ['network', 'ls', '--format', '{{.Name}}'], run)).filter((name) =>
    dead.has(name),
  );
  const clusters = containers.flatMap(({ Config }) => Config.Labels?.[CLUSTER_LABEL] ?? []);
  for (const name of new Set([...clusters, ...networks])) {
    if (!dead.has(name)) continue;
    await deleteKindCluster(name, run);
    removed.push({ kind: 'kind cluster', name });
  }
  // Before the leases are forgotten, for they say which namespaces of a kept cluster are dead.
  if (dead.size > 0) {
    const kept = await sweepKept(run, signal);
    removed.push(...kept.removed);
    unseen.push(...kept.unseen);
  }
  for (const lease of dead) forgetLease(lease);
  removed.push(...(await sweepHalfMade(run)));
  forgetStrays(PREFIX);
}

/** Removes clusters that were to be kept, but whose run died before they came up, and networks of those that a user deleted. */
async function sweepHalfMade(run: OwnedCommand): Promise<Removed[]> {
  const removed: Removed[] = [];
  const names = [
    ...(await deadLeases()),
    ...(await lines('docker', ['network', 'ls', '--format', '{{.Name}}'], run)),
  ];
  for (const name of new Set(names.filter((one) => one.startsWith(KEPT)))) {
    // Without its lease first, which a run that starts now would take for a cluster in use.
    if (await isComplete(name, run)) continue;
    const lease = await takeFreeLease(name);
    if (lease === undefined) continue;
    if (!(await isComplete(name, run)) && (await deleteKindCluster(name, run)))
      removed.push({ kind: 'kind cluster', name });
    await lease[Symbol.asyncDispose]();
  }
  return removed;
}

/** Removes the namespaces that dead cells left in clusters that are kept; one that does not answer is left as it is. */
async function sweepKept(run: OwnedCommand, signal: AbortSignal | undefined): Promise<Swept> {
  const kept = (await lines('kind', ['get', 'clusters'], run)).filter((name) => name.startsWith(KEPT));
  if (kept.length === 0) return NOTHING_LEFT;
  const { KubeConfig } = await import('../kubernetes/api/kube-config.ts');
  const { ApiConnection } = await import('../kubernetes/api/api-connection.ts');
  const { sweepMetricsGroups } = await import('../kubernetes/metrics-server.ts');
  const { sweepNamespaces } = await import('../kubernetes/lease/run-namespace.ts');
  const removed: Removed[] = [];
  const unseen: Unseen[] = [];
  for (const name of kept) {
    const sweep = async () => {
      const config = new KubeConfig();
      // One that was kept may be stopped by now; the others are looked at all the same.
      config.loadFromString(await run('kind', ['get', 'kubeconfig', '--name', name]));
      const clock = new ScaledClock(1);
      const connection = new ApiConnection(config, clock, signal);
      await sweepMetricsGroups(connection);
      return sweepNamespaces(connection, clock, signal);
    };
    const swept = await sweep().catch((error: Error) => ({
      removed: [],
      unseen: [{ what: `kind cluster ${name}`, why: error.message }],
    }));
    removed.push(...swept.removed);
    unseen.push(...swept.unseen);
  }
  return { removed, unseen };
}

/** Containers of kind clusters that onedrop made, and its balancers. */
async function ownContainers(run: OwnedCommand): Promise<Container[]> {
  const [[label, value]] = Object.entries(MANAGED_BY) as [[string, string]];
  const list = (filter: string) =>
    lines('docker', ['ps', '--all', '--quiet', '--no-trunc', '--filter', filter], run);
  const ids = new Set([
    ...(await list(`label=${CLUSTER_LABEL}`)),
    ...(await list(`label=${label}=${value}`)),
  ]);
  if (ids.size === 0) return [];
  const containers = JSON.parse(await run('docker', ['container', 'inspect', ...ids])) as Container[];
  return containers.filter(({ Config }) => leaseOf(Config.Labels) !== undefined);
}

function leaseOf(labels: Readonly<Record<string, string>> | null): string | undefined {
  const lease = labels?.[LEASE_LABEL] ?? labels?.[CLUSTER_LABEL];
  return lease?.startsWith(PREFIX) ? lease : undefined;
}

async function isDead(lease: string, { Created, State }: Container): Promise<boolean> {
  const holder = await leaseHolder(lease);
  if (holder !== 'unknown') return holder === 'dead';
  // What has exited, as with its engine, serves nobody any more.
  return State.Status === 'exited' || wallTime().getTime() - new Date(Created).getTime() > CERTAINLY_DEAD;
}
