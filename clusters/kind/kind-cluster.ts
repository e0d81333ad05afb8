import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { HarnessError } from '../../harness/errors.ts';
import { command, lines } from '../command.ts';
import { buildGatewayImage } from '../kubernetes/gateway/gateway-image.ts';
import { leaseFiles, takeFreeLease, takeLease } from '../kubernetes/lease/lease.ts';
import { commandOwnedBy, heeding, type OwnedCommand } from '../kubernetes/lease/owned-command.ts';
import type { NodeContainer } from './balancer-boxes.ts';
import { kindConfig, type Shape } from './kind-config.ts';
import { NODE_IMAGES } from './node-image.ts';

/** An image that certainly holds nft; kind's node images have it since about Kubernetes 1.31. */
const NEWEST = NODE_IMAGES['1.37'] as string;

/** How long the nodes may take to become ready, as kind spells it. */
const READY_WITHIN = '300s';

/** A running kind cluster, with the gateway's image on its nodes. */
export interface KindCluster {
  readonly name: string;
  readonly shape: Shape;
  /** Ends with the run's own signal. */
  readonly run: OwnedCommand;
  /** The kubeconfig's text. */
  readonly kubeconfig: string;
  /** The gateway's image. */
  readonly image: string;
  /** The workers, in the order of their names. */
  readonly workers: readonly NodeContainer[];
  /** The Docker network of this cluster alone. */
  readonly network: string;
  /** Whether it outlives the run. */
  readonly keep: boolean;
  /** Gives the cluster up: others may take one that is kept, and sweep one that is not. */
  readonly lease: AsyncDisposable;
}

/** kind puts its nodes on a network of this name, so that clusters of different runs never meet. */
const onNetwork = (name: string) => ({ env: { ...process.env, KIND_EXPERIMENTAL_DOCKER_NETWORK: name } });

/**
 * Creates a cluster of that name, or, to keep it, reuses the first that no other run is using of those called so, so-2,
 * so-3, ...; whatever fails, nothing half-made is left unless `retain`.
 */
export async function createKindCluster(options: {
  readonly name: string;
  readonly shape: Shape;
  readonly keep: boolean;
  readonly retain: boolean;
  /** The gateway's image, if it is not the built-in one; it must be in the local engine. */
  readonly gatewayImage: string | undefined;
  readonly signal: AbortSignal;
}): Promise<KindCluster> {
  const { shape, keep, retain, signal } = options;
  const { name, lease } = keep
    ? await freeKept(options.name)
    : { name: options.name, lease: await takeLease(options.name) };
  const run = heeding(keep ? command : commandOwnedBy(name), signal);
  let complete = false;
  try {
    const image = options.gatewayImage ?? (await buildGatewayImage(run, leaseFiles(name)));
    complete = keep && (await isComplete(name, run));
    if (!complete) {
      // A run that was killed may have begun it.
      if (keep) await deleteKindCluster(name, run);
      await create(run, name, shape, retain);
    }
    const workers = await workersOf(run, name);
    await load({ run, name, workers }, [image]);
    const kubeconfig = await run('kind', ['get', 'kubeconfig', '--name', name]);
    await markComplete(name, run, true);
    rmSync(leaseFiles(name), { recursive: true, force: true });
    return { name, shape, run, kubeconfig, image, workers, network: name, keep, lease };
  } catch (error) {
    if (!retain && !complete) await deleteKindCluster(name);
    await lease[Symbol.asyncDispose]();
    throw error;
  }
}

const load = (
  { run, name, workers }: Pick<KindCluster, 'run' | 'name' | 'workers'>,
  images: readonly string[],
) =>
  run('kind', [
    ...['load', 'docker-image', ...images, '--name', name],
    ...['--nodes', workers.map((worker) => worker.name).join(',')],
  ]);

/**
 * Loads those of the images onto the workers that the local engine has, and returns them; the nodes pull the others.
 * So they do one by digest, which kind cannot load under its name (kubernetes-sigs/kind#2394, #4028).
 */
export async function loadImages(
  kind: Pick<KindCluster, 'run' | 'name' | 'workers'>,
  images: readonly string[],
): Promise<string[]> {
  const here: string[] = [];
  for (const image of images.filter((one) => !one.includes('@'))) {
    const found = kind.run('docker', ['image', 'inspect', '--format', '{{.Id}}', image]);
    if (await succeeds(found)) here.push(image);
  }
  if (here.length > 0) await load(kind, here);
  return here;
}

async function freeKept(name: string): Promise<{ name: string; lease: AsyncDisposable }> {
  for (let number = 1; ; number += 1) {
    const candidate = number === 1 ? name : `${name}-${number}`;
    const lease = await takeFreeLease(candidate);
    if (lease !== undefined) return { name: candidate, lease };
  }
}

const controlPlane = (name: string) => `${name}-control-plane`;

/** A file on the control plane that says the cluster came up as a whole: `kind get clusters` lists half-made ones too. */
const COMPLETE = '/kind/onedrop-complete';

/** Says that the cluster is whole, or that it is not. */
export async function markComplete(name: string, run: OwnedCommand, whole: boolean): Promise<void> {
  await run('docker', ['exec', controlPlane(name), ...(whole ? ['touch'] : ['rm', '-f']), COMPLETE]);
}

/** Whether a cluster of that name exists and came up as a whole. */
export const isComplete = (name: string, run: OwnedCommand = command): Promise<boolean> =>
  succeeds(run('docker', ['exec', controlPlane(name), 'test', '-e', COMPLETE]));

export const succeeds = (command: Promise<unknown>): Promise<boolean> =>
  command.then(
    () => true,
    () => false,
  );

async function create(run: OwnedCommand, name: string, shape: Shape, retain: boolean): Promise<void> {
  const words = ['create', 'cluster', '--name', name, '--config', '-', '--wait', READY_WITHIN];
  // The user's own kubeconfig is not touched.
  words.push('--kubeconfig', join(leaseFiles(name), 'kubeconfig'));
  if (shape.image !== undefined) words.push('--image', shape.image);
  if (retain) words.push('--retain');
  await run('kind', words, { input: kindConfig(shape), ...onNetwork(name) });
}

async function workersOf(run: OwnedCommand, name: string): Promise<NodeContainer[]> {
  const names = (await run('kind', ['get', 'nodes', '--name', name]))
    .split('\n')
    .filter((node) => node !== '' && !node.endsWith('-control-plane'));
  const text = await run('docker', ['container', 'inspect', ...names]);
  const containers = JSON.parse(text) as {
    Name: string;
    NetworkSettings: { Networks: Record<string, { IPAddress: string; MacAddress: string }> };
  }[];
  return containers
    .map(({ Name, NetworkSettings }) => ({
      name: Name.replace(/^\//, ''),
      address: NetworkSettings.Networks[name]?.IPAddress ?? '',
      mac: NetworkSettings.Networks[name]?.MacAddress ?? '',
    }))
    .sort((left, right) => (left.name < right.name ? -1 : 1));
}

/** Removes a cluster with its network, all that is attached to it, and its files; says whether there was anything to remove. */
export async function deleteKindCluster(name: string, run: OwnedCommand = command): Promise<boolean> {
  const there = await lines('kind', ['get', 'nodes', '--name', name], run);
  const kubeconfig = join(leaseFiles(name), 'kubeconfig');
  await run('kind', ['delete', 'cluster', '--name', name, '--kubeconfig', kubeconfig]);
  if ((await lines('docker', ['network', 'ls', '--quiet', '--filter', `name=^${name}$`], run)).length > 0) {
    there.push(name);
    // Balancers of a cell that was killed.
    const attached = await lines('docker', ['ps', '--all', '--quiet', '--filter', `network=${name}`], run);
    if (attached.length > 0) await run('docker', ['rm', '--force', '--volumes', ...attached]);
    await run('docker', ['network', 'rm', name]);
  }
  rmSync(leaseFiles(name), { recursive: true, force: true });
  return there.length > 0;
}

/** kube-proxy's rules and conntrack on each worker, for people. */
export async function nodeEvidence({ run, workers }: KindCluster): Promise<Map<string, string>> {
  const texts = new Map<string, string>();
  for (const { name } of workers)
    for (const [what, words] of [
      ['iptables', ['iptables-save', '--counters']],
      ['nftables', ['nft', 'list', 'ruleset']],
      ['conntrack', ['conntrack', '-L']],
    ] as const) {
      const read = run('docker', ['exec', name, ...words]);
      texts.set(`${name}.${what}.txt`, await read.catch((error: Error) => `${error.message}\n`));
    }
  return texts;
}

/** The node image, and the one that balancers are made of: the same, unless it is too old to hold nft. */
export async function imagesOf({ run, workers }: KindCluster): Promise<{ node: string; balancer: string }> {
  const [worker] = workers;
  if (worker === undefined) throw new HarnessError('the kind cluster has no worker');
  const text = await run('docker', ['container', 'inspect', '--format', '{{.Config.Image}}', worker.name]);
  const node = text.trim();
  const holdsNft = await succeeds(run('docker', ['exec', worker.name, 'nft', '--version']));
  return { node, balancer: holdsNft ? node : NEWEST };
}

/**
 * A certificate for a server of that DNS name with its key and authority (PEM), made by the kubeadm that every node
 * image holds, in a directory of its own: the cluster's own authority is not touched.
 */
export async function certificateFor(
  { run, name }: KindCluster,
  server: string,
): Promise<{ key: string; certificate: string; authority: string }> {
  const inside = (...words: string[]) => run('docker', ['exec', controlPlane(name), ...words]);
  const directory = '/tmp/onedrop-certificates';
  // Without a version kubeadm asks the internet for the newest.
  const version = (await inside('cat', '/kind/version')).trim();
  const common = ['--cert-dir', directory, '--kubernetes-version', version];
  await inside('rm', '-rf', directory);
  try {
    await inside('kubeadm', 'init', 'phase', 'certs', 'ca', ...common);
    await inside(
      'kubeadm',
      'init',
      'phase',
      'certs',
      'apiserver',
      '--apiserver-cert-extra-sans',
      server,
      ...common,
    );
    const read = (file: string) => inside('cat', `${directory}/${file}`);
    return {
      key: await read('apiserver.key'),
      certificate: await read('apiserver.crt'),
      authority: await read('ca.crt'),
    };
  } finally {
    await inside('rm', '-rf', directory);
  }
}

/** This machine's address as the cluster's containers reach it. */
export async function hostAddress({ run, network }: KindCluster): Promise<string> {
  const [{ IPAM }] = JSON.parse(await run('docker', ['network', 'inspect', network])) as [
    { IPAM: { Config: { Gateway?: string }[] } },
  ];
  const address = IPAM.Config.map(({ Gateway }) => Gateway).find(
    (one) => one !== undefined && !one.includes(':'),
  );
  if (address === undefined) throw new HarnessError(`the Docker network ${network} has no gateway`);
  return address;
}
