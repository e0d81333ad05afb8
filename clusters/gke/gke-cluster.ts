import { rmSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Removed } from '../../harness/cluster.ts';
import { ScaledClock } from '../../harness/scaled-clock.ts';
import { CommandError, command } from '../command.ts';
import { gatewayImageName, imageContext, pushCommand } from '../kubernetes/gateway-image.ts';
import { leaseFiles, owner, takeLease } from '../kubernetes/lease.ts';
import { commandOwnedBy, type OwnedCommand } from '../kubernetes/owned-command.ts';
import { wallTime } from '../kubernetes/wall-time.ts';
import { type ClientVm, createClientVm } from './client-vm.ts';
import { GcloudCommands, LEFT_KINDS, labelsFor, type Words } from './gcloud-commands.ts';
import { type Resource, readClusters, readResources } from './gcloud-output.ts';
import type { GkeOptions, Shape } from './gke-options.ts';
import { namespaceIn, removed } from './leftovers.ts';

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

/** How often a deletion is tried while an operation still holds the cluster. */
const DELETIONS = 5;

const isMissing = (error: unknown) => error instanceof CommandError && /not.?found|404/i.test(error.stderr);

/** Creates a cluster, or takes up one that was kept; whatever fails, nothing half-made is left. */
export async function createGkeCluster(
  name: string,
  shape: Shape,
  options: GkeOptions,
  signal: AbortSignal,
): Promise<GkeCluster> {
  const keep = options.keep === 'true';
  const lease = keep ? undefined : await takeLease(name);
  const run = keep ? command : commandOwnedBy(name);
  const commands = new GcloudCommands(options);
  const gcloud = (words: Words) => run('gcloud', words);
  const namespaces = new Set<string>();
  let vm: ClientVm | undefined;
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
    const kept = keep && readClusters(await gcloud(commands.listClusters())).some((one) => one.name === name);
    const image =
      options['gateway-image'] ??
      (await pushImage(run, commands, { name, options, project, labels, signal, isThere: kept }));
    const words = kept ? commands.relabel(name, labels) : commands.createCluster(name, shape, labels);
    await run('gcloud', words, { signal });
    const file = join(leaseFiles(name), 'kubeconfig');
    await run('gcloud', commands.getCredentials(name), { env: { ...process.env, KUBECONFIG: file } });
    const kubeconfig = await readFile(file, 'utf8');
    if (options['clients-from'] === 'vm') {
      const around = { labels, clock: new ScaledClock(1), signal };
      vm = await createClientVm(name, shape.zones[0] ?? '', options, around);
    }
    return { name, shape, project, kubeconfig, image, vm, namespaces, gcloud, remove };
  } catch (error) {
    await remove();
    throw error;
  }
}

/** The host and path of a run's own repository. */
export const repositoryOf = (name: string, project: string, { region }: GkeOptions) =>
  `${region}-docker.pkg.dev/${project}/${name}/gateway`;

/** Makes a repository of the run's own; docker is logged in with a configuration of the run's own as well. */
async function pushImage(
  run: OwnedCommand,
  commands: GcloudCommands,
  to: {
    name: string;
    options: GkeOptions;
    project: string;
    labels: Readonly<Record<string, string>>;
    signal: AbortSignal;
    isThere: boolean;
  },
): Promise<string> {
  const { name, options, project, labels, signal, isThere } = to;
  const repository = repositoryOf(name, project, options);
  if (!isThere) await run('gcloud', commands.createRepository(name, labels), { signal });
  const env = { ...process.env, DOCKER_CONFIG: join(leaseFiles(name), 'docker') };
  const token = await run('gcloud', commands.accessToken());
  await run('docker', loginWords(repository), { input: token.trim(), env });
  const image = await gatewayImageName(repository);
  await using context = await imageContext(leaseFiles(name));
  await run(...pushCommand(image, context.directory), { signal, env });
  return image;
}

/** Docker's login to a registry, with the token on standard input. */
export const loginWords = (repository: string): Words => [
  ...['login', '--username', 'oauth2accesstoken', '--password-stdin'],
  `https://${repository.split('/')[0]}`,
];

/** Deletes a cluster after what still works on it has ended; one that does not exist is deleted. */
export async function deleteCluster(
  commands: GcloudCommands,
  name: string,
  location?: string,
): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    const operations = JSON.parse(await command('gcloud', commands.runningOperations(name, location)));
    // An operation that failed has ended as well.
    for (const operation of operations as { name: string }[])
      await command('gcloud', commands.waitForOperation(operation.name, location)).catch(() => {});
    try {
      await command('gcloud', commands.deleteCluster(name, location));
      return;
    } catch (error) {
      if (isMissing(error)) return;
      if (attempt === DELETIONS) throw error;
    }
  }
}

export async function deleteRepository(
  commands: GcloudCommands,
  name: string,
  location?: string,
): Promise<void> {
  await command('gcloud', commands.deleteRepository(name, location)).catch((error) => {
    if (!isMissing(error)) throw error;
  });
}

/** Deletes what GKE left behind and `isLeft` recognises, in an order in which nothing is still in use. */
export async function deleteLeft(
  commands: GcloudCommands,
  isLeft: (resource: Resource) => boolean | Promise<boolean>,
): Promise<Removed[]> {
  const all: Removed[] = [];
  for (const kind of LEFT_KINDS)
    for (const resource of readResources(await command('gcloud', commands.listLeft(kind)))) {
      if (!(await isLeft(resource))) continue;
      const { name, location } = resource;
      await command('gcloud', commands.deleteLeft({ group: kind.group, name, location })).catch((error) => {
        // GKE itself may have been faster.
        if (!isMissing(error)) throw error;
      });
      all.push(removed(kind.group, name));
    }
  return all;
}
