import type { Removed } from '../../harness/contracts/cluster.ts';
import { InterruptedError } from '../../harness/errors.ts';
import { CommandError, command } from '../command.ts';
import type { OwnedCommand } from '../kubernetes/lease/owned-command.ts';
import type { GcloudCommands } from './gcloud-commands.ts';
import { type Resource, readResources } from './gcloud-output.ts';
import { LEFT_KINDS } from './left-kinds.ts';
import { removed } from './leftovers.ts';

/** How often a deletion is tried while an operation still holds the cluster. */
const DELETIONS = 5;

const isMissing = (error: unknown) => error instanceof CommandError && /not.?found|404/i.test(error.stderr);

/** Deletes a cluster after what still works on it has ended; one that does not exist is deleted. */
export async function deleteCluster(
  commands: GcloudCommands,
  name: string,
  location?: string,
  run: OwnedCommand = command,
): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    const operations = JSON.parse(await run('gcloud', commands.runningOperations(name, location)));
    // An operation that failed has ended as well.
    for (const operation of operations as { name: string }[])
      await run('gcloud', commands.waitForOperation(operation.name, location)).catch((error) => {
        if (error instanceof InterruptedError) throw error;
      });
    try {
      await run('gcloud', commands.deleteCluster(name, location));
      return;
    } catch (error) {
      if (isMissing(error)) return;
      if (attempt === DELETIONS || error instanceof InterruptedError) throw error;
    }
  }
}

export async function deleteRepository(
  commands: GcloudCommands,
  name: string,
  location?: string,
  run: OwnedCommand = command,
): Promise<void> {
  await run('gcloud', commands.deleteRepository(name, location)).catch((error) => {
    if (!isMissing(error)) throw error;
  });
}

/** Deletes what GKE left behind and `isLeft` recognises, in an order in which nothing is still in use. */
export async function deleteLeft(
  commands: GcloudCommands,
  isLeft: (resource: Resource) => boolean | Promise<boolean>,
  run: OwnedCommand = command,
): Promise<Removed[]> {
  const all: Removed[] = [];
  for (const kind of LEFT_KINDS)
    for (const resource of readResources(await run('gcloud', commands.listLeft(kind)))) {
      if (!(await isLeft(resource))) continue;
      const { name, location } = resource;
      await run('gcloud', commands.deleteLeft({ group: kind.group, name, location })).catch((error) => {
        // GKE itself may have been faster.
        if (!isMissing(error)) throw error;
      });
      all.push(removed(kind.group, name));
    }
  return all;
}
