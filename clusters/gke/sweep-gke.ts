import { NOTHING_LEFT, type Removed, type Swept } from '../../harness/contracts/cluster.ts';
import { command } from '../command.ts';
import { deadLeases, forgetLease, leaseHolder, owner } from '../kubernetes/lease/lease.ts';
import { endOrphans, heeding, type OwnedCommand } from '../kubernetes/lease/owned-command.ts';
import { wallTime } from '../kubernetes/lease/wall-time.ts';
import { GcloudCommands } from './gcloud-commands.ts';
import { readClusters, readRepositories } from './gcloud-output.ts';
import type { GkeOptions } from './gke-options.ts';
import { labelsFor, OWNER_LABEL } from './labels.ts';
import { type Asker, isAbandoned, isLeftOver, PREFIX } from './leftovers.ts';
import { preflightGke } from './preflight-gke.ts';
import { deleteCluster, deleteLeft, deleteRepository } from './removal.ts';

/** Removes clusters, repositories and what their Services left, of dead runs and of those whose time is over. */
export async function sweepGke(options: GkeOptions, signal?: AbortSignal): Promise<Swept> {
  const run = heeding(command, signal);
  const removed: Removed[] = [];
  const dead = (await deadLeases()).filter((lease) => lease.startsWith(PREFIX));
  try {
    await removeAbandoned(run, options, dead, removed);
    return { removed, unseen: [] };
  } catch (error) {
    // Where no run on GKE is known to have died and nobody has named a project, it may be that nobody uses GKE.
    const asked = dead.length > 0 || options.project !== undefined || (await preflightGke(options)).usable;
    if (!asked) return NOTHING_LEFT;
    const what = dead.length > 0 ? `GKE (${dead.join(', ')})` : 'GKE';
    return { removed, unseen: [{ what, why: (error as Error).message }] };
  }
}

async function removeAbandoned(
  run: OwnedCommand,
  options: GkeOptions,
  dead: readonly string[],
  all: Removed[],
): Promise<void> {
  const commands = new GcloudCommands(options);
  // Nothing may be made any more while it is being removed.
  for (const lease of dead) endOrphans(lease);
  const list = (words: readonly string[]) => run('gcloud', words);
  const clusters = readClusters(await list(commands.listClusters()));
  const repositories = readRepositories(await list(commands.listRepositories()));
  const now = wallTime();
  const asker: Asker = {
    owner: labelsFor('', owner(), now)[OWNER_LABEL] ?? '',
    now,
    holder: leaseHolder,
  };
  for (const { name, location, labels } of clusters) {
    if (!(await isAbandoned(labels, asker))) continue;
    await deleteCluster(commands, name, location, run);
    all.push({ kind: 'GKE cluster', name });
  }
  for (const { name, location, labels } of repositories) {
    if (!(await isAbandoned(labels, asker))) continue;
    await deleteRepository(commands, name, location, run);
    all.push({ kind: 'Artifact Registry repository', name });
  }
  all.push(...(await deleteLeft(commands, (resource) => isLeftOver(resource, asker), run)));
  for (const lease of dead) forgetLease(lease);
}
