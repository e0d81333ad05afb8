import { rmSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { HarnessError } from '../../harness/errors.ts';
import { ScaledClock } from '../../harness/time/scaled-clock.ts';
import { command } from '../command.ts';
import { leaseFiles, owner, takeLease } from '../kubernetes/lease/lease.ts';
import { commandOwnedBy, heeding } from '../kubernetes/lease/owned-command.ts';
import { wallTime } from '../kubernetes/lease/wall-time.ts';
import { type ClientVm, createClientVm } from './client-vm.ts';
import { pushImage } from './gateway-repository.ts';
import { GcloudCommands, type Words } from './gcloud-commands.ts';
import { readClusters } from './gcloud-output.ts';
import type { GkeOptions, Shape } from './gke-options.ts';
import { labelsFor } from './labels.ts';
import { namespaceIn } from './leftovers.ts';
import { deleteCluster, deleteLeft, deleteRepository } from './removal.ts';

/** A running GKE cluster and the image that its nodes can pull. */
export interface GkeCluster {
  readonly name: string;
  readonly shape: Shape;
  readonly project: string;
  /** The kubeconfig's text; its credentials come from gke-gcloud-auth-plugin. */
  readonly kubeconfig: string;
  readonly image: string;
  /** Where clients dial from; undefined: from here. */
  readonly vm: ClientVm | undefined;
  /** Of the cells that were played on it: what their Services leave behind is known by them. */
  readonly namespaces: Set<string>;
  gcloud(words: Words): Promise<string>;
  /** Removes the cluster, what its Services left, and the image's repository; waits until all is gone. */
  remove(): Promise<void>;
}

/** Creates a cluster, or takes up one that was kept; whatever fails, nothing half-made is left. */
export async function createGkeCluster(
  name: string,
  shape: Shape,
  options: GkeOptions,
  signal: AbortSignal,
): Promise<GkeCluster> {
  const keep = options.keep === 'true';
  const lease = keep ? undefined : await takeLease(name);
  const run = heeding(keep ? command : commandOwnedBy(name), signal);
  const commands = new GcloudCommands(options);
  const gcloud = (words: Words) => run('gcloud', words);
  const namespaces = new Set<string>();
  let vm: ClientVm | undefined;
  let kept = false;
  const remove = async () => {
    await vm?.[Symbol.asyncDispose]();
    await deleteCluster(commands, name);
    await deleteLeft(commands, ({ description }) => namespaces.has(namespaceIn(description) ?? ''));
    if (options['gateway-image'] === undefined) await deleteRepository(commands, name);
    rmSync(leaseFiles(name), { recursive: true, force: true });
    await lease?.[Symbol.asyncDispose]();
  };
  try {
    const project = options.project ?? (await gcloud(commands.currentProject())).trim();
    const labels = labelsFor(name, owner(), new Date(wallTime().getTime() + options['time-to-live']));
    kept = keep && readClusters(await gcloud(commands.listClusters())).some((one) => one.name === name);
    const image =
      options['gateway-image'] ??
      (await pushImage(run, commands, { name, options, project, labels, isThere: kept }));
    const words = kept ? commands.relabel(name, labels) : commands.createCluster(name, shape, labels);
    await run('gcloud', words);
    const file = join(leaseFiles(name), 'kubeconfig');
    await run('gcloud', commands.getCredentials(name), { env: { ...process.env, KUBECONFIG: file } });
    const kubeconfig = await readFile(file, 'utf8');
    // It holds Docker's password for the registry as well.
    rmSync(leaseFiles(name), { recursive: true, force: true });
    if (options['clients-from'] === 'vm') {
      const around = { labels, clock: new ScaledClock(1), signal };
      vm = await createClientVm(name, shape.zones[0] ?? '', options, around);
    }
    return { name, shape, project, kubeconfig, image, vm, namespaces, gcloud, remove };
  } catch (error) {
    if (!kept)
      await remove().catch((second: Error) => {
        const first = error instanceof Error ? error.message : String(error);
        throw new HarnessError(
          `${first}\nand cleaning up failed; npm run sweep tries again: ${second.message}`,
        );
      });
    throw error;
  }
}
