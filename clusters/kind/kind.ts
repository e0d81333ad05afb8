import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { platform } from 'node:os';
import { join } from 'node:path';
import type { V1Service } from '@kubernetes/client-node';
import { AXES, type Axes, kubernetesVersion } from '../../harness/contracts/axes.ts';
import type {
  Capability,
  Cluster,
  ClusterSpec,
  Preflight,
  Provider,
  RunContext,
} from '../../harness/contracts/cluster.ts';
import { BALANCERS } from '../../harness/platforms/balancers.ts';
import { proxyNamed } from '../../harness/platforms/proxies.ts';
import { command, lines } from '../command.ts';
import { refusesAddresses } from '../kubernetes/front/client-addresses.ts';
import type { KubernetesCluster } from '../kubernetes/kubernetes-cluster.ts';
import { nameFor } from '../kubernetes/lease/names.ts';
import { commandOwnedBy } from '../kubernetes/lease/owned-command.ts';
import { BalancerBoxes } from './balancer-boxes.ts';
import { lacksInotify } from './inotify.ts';
import {
  certificateFor,
  createKindCluster,
  deleteKindCluster,
  hostAddress,
  imagesOf,
  type KindCluster,
  loadImages,
  nodeEvidence,
} from './kind-cluster.ts';
import { proxyMode, type Shape } from './kind-config.ts';
import { imageVersion, nodeImage } from './node-image.ts';
import { NodePower } from './node-power.ts';
import { CLUSTER_LABEL, KEPT, sweepKind } from './sweep-kind.ts';

/** What can be chosen beside the axes. */
export interface KindOptions {
  /** A Kubernetes version (`1.34`) or a node image; default: the installed kind's own. */
  readonly nodeImage?: string;
  /** The gateway's image, in the local engine; default: the built-in one, built there. */
  readonly gatewayImage?: string;
  /** Keep the cluster for later runs of the same shape, which then start at once. */
  readonly keep?: boolean;
  /** Leave what broke as it is. */
  readonly retain?: boolean;
}

/** kind: real Kubernetes nodes as containers, behind a balancer that behaves like GCP's. */
export function createKind(options: KindOptions = {}): Provider {
  const image = options.nodeImage === undefined ? undefined : nodeImage(options.nodeImage);
  /** Clusters between two cells, by shape; a run's cells come one after the other. */
  const idle = new Map<string, KindCluster>();
  const { keep = false, retain = false } = options;
  /** Nodes of other kind clusters on this machine; known after preflight. */
  let running: readonly string[] = [];
  return {
    name: 'kind',
    description:
      "measured on a real Kubernetes in containers (kind): real kubelets and kube-proxies, behind a balancer that behaves like GCP's",
    evidence: 'measured',
    runs: 'image',
    offers: new Set([
      'passthrough-balancer',
      'balancer-recreation',
      'second-balancer',
      'handoff',
      'autoscaler',
      'node-power',
    ]),
    lacks: (need) =>
      proxyNamed(need) === undefined
        ? LACKS[need]
        : 'nothing stands in front there; use --cluster kubeconfig on a cluster that has it',
    refuses: (axes) =>
      refusal(axes, image) ?? refusesAddresses(axes) ?? tooManyNodes(axes, image, keep, running),
    given: () => {
      const kubernetes = releaseOf(image);
      return kubernetes === undefined ? {} : { kubernetes };
    },
    async preflight() {
      running = await runningNodes();
      // A cluster that is kept may be the very one that this run will use.
      return preflight(running.filter((name) => !(keep && name.startsWith(KEPT))).length);
    },
    options: {
      'node-image': {
        value: 'VERSION|IMAGE',
        help: 'Kubernetes version (1.34) or node image of kind clusters',
      },
      'gateway-image': {
        value: 'IMAGE',
        help: 'image of the gateway on real clusters (default: the built-in one)',
      },
      keep: { help: 'keep kind and GKE clusters for later runs of the same shape' },
      retain: { help: 'leave clusters as they are when a cell broke' },
    },
    configure: (chosen) =>
      createKind({
        ...(chosen['node-image'] === undefined ? {} : { nodeImage: chosen['node-image'] }),
        ...(chosen['gateway-image'] === undefined ? {} : { gatewayImage: chosen['gateway-image'] }),
        keep: chosen.keep === 'true',
        retain: chosen.retain === 'true',
      }),
    async open(spec, context) {
      const shape = shapeOf(spec.axes, image);
      const key = JSON.stringify(shape);
      const kind =
        idle.get(key) ??
        (await createKindCluster({
          name: keep ? keptName(shape) : nameFor('kind', spec.name),
          shape,
          keep,
          retain,
          gatewayImage: options.gatewayImage,
          signal: context.signal,
        }));
      idle.delete(key);
      const free = () => void idle.set(key, kind);
      try {
        return await openCell(kind, spec, context, { retain, free });
      } catch (error) {
        if (!retain) free();
        throw error;
      }
    },
    async close() {
      const clusters = [...idle.values()];
      idle.clear();
      for (const { name, keep: kept, lease } of clusters) {
        if (!kept) await deleteKindCluster(name);
        await lease[Symbol.asyncDispose]();
      }
    },
    sweep: (signal) => sweepKind(signal),
  };
}

/** What a cell's namespace, lease and balancers are named after; begins like the clusters, which sweep goes by. */
const CELL = 'kind-cell';

/** What a kind cluster could have, and why it does not. */
const LACKS: Partial<Record<Capability, string>> = {
  mesh: 'no mesh is installed; use --cluster kubeconfig on a cluster that has one',
  'node-churn': 'kind cannot add a node to a running cluster',
};

/** One cell on a running kind cluster; `free` is called once the cluster can take the next. */
async function openCell(
  kind: KindCluster,
  spec: ClusterSpec,
  context: RunContext,
  { retain, free }: { retain: boolean; free: () => void },
): Promise<Cluster> {
  const { KubeConfig } = await import('../kubernetes/api/kube-config.ts');
  const { KubernetesCluster } = await import('../kubernetes/kubernetes-cluster.ts');
  const { PassthroughBalancer } = await import('../kubernetes/front/passthrough-balancer.ts');
  const { workers, network, image } = kind;
  const config = new KubeConfig();
  config.loadFromString(kind.kubeconfig);
  const name = nameFor(CELL, spec.name);
  const run = commandOwnedBy(name);
  await using opening = new AsyncDisposableStack();
  const images = await imagesOf(kind);
  const boxes = opening.use(
    await BalancerBoxes.open(run, {
      lease: name,
      image: images.balancer,
      signal: context.signal,
      network,
      nodes: workers,
      tcpLoose: spec.axes.tcpLoose,
    }),
  );
  let metrics = async (): Promise<void> => {};
  const cluster = await KubernetesCluster.open({
    spec,
    context,
    config,
    name,
    image,
    entrance: 'load-balancer',
    controlPolicy: 'Local',
    retain,
    // The pool model publishes the address that a Service asks for.
    balancedService: async (service: V1Service) => ({
      ...service,
      spec: { ...service.spec, loadBalancerIP: await boxes.address(service.metadata?.name ?? '') },
    }),
    needsMetrics: () => metrics(),
    bringImages: (own) => loadImages(kind, own),
    facts: {
      'node image': images.node,
      'kind network': network,
      balancer: `container per Service, nftables; model of ${BALANCERS[spec.axes.balancer].title}`,
    },
  });
  const balancer = new PassthroughBalancer(cluster, {
    axes: spec.axes,
    random: context.random.fork('kind'),
    record: context.record.bind(context),
    program: (programs) => boxes.program(programs),
  });
  cluster.settled.push((service) => balancer.isSettled(service));
  cluster.collectors.push((directory) => collectNodes(kind, boxes, directory));
  // Only few cells have an autoscaler.
  let serving: Promise<void> | undefined;
  metrics = () => {
    serving ??= serveMetrics(kind, cluster);
    return serving;
  };
  cluster.watching.use(balancer);
  cluster.additions.defer(free);
  cluster.additions.use(opening.move());
  cluster.power = cluster.additions.use(await NodePower.open(kind, run, cluster));
  // Without its lease the cluster is nobody's, and no sweep of the next hours takes it.
  cluster.onRetained.push(async () => kind.lease[Symbol.asyncDispose]());
  return cluster;
}

/** kind has no metrics-server: this process is one for as long as the cell lasts. */
async function serveMetrics(kind: KindCluster, cluster: KubernetesCluster): Promise<void> {
  const { MetricsServer, metricsServerName } = await import('../kubernetes/metrics-server.ts');
  const certificate = await certificateFor(kind, metricsServerName(cluster.kube.namespace));
  const host = await hostAddress(kind);
  cluster.additions.use(await MetricsServer.start(cluster, { host, ...certificate }));
}

async function collectNodes(kind: KindCluster, boxes: BalancerBoxes, directory: string): Promise<void> {
  const into = join(directory, kind.name);
  await mkdir(into, { recursive: true });
  await writeFile(join(into, 'balancer.nftables.txt'), await boxes.counters());
  for (const [file, text] of await nodeEvidence(kind)) await writeFile(join(into, file), text);
}

const shapeOf = ({ nodes, proxy }: Axes, image: string | undefined): Shape => ({
  nodes,
  proxyMode: proxyMode(proxy) ?? 'iptables',
  image,
});

const keptName = (shape: Shape) =>
  `${KEPT}-${createHash('sha256').update(JSON.stringify(shape)).digest('hex').slice(0, 8)}`;

/** The first release whose kube-proxy has nftables mode without a feature gate. */
const NFTABLES_SINCE = 31;

function refusal(
  { proxy, kubernetes, balancer, policy }: Axes,
  image: string | undefined,
): string | undefined {
  const release = releaseOf(image);
  if (release !== undefined && release !== kubernetes)
    return `the node image ${image} runs Kubernetes ${release}, not ${kubernetes}; choose --node-image ${kubernetes}`;
  if (image === undefined && kubernetes !== AXES.kubernetes.fallback)
    return `the node image of the installed kind decides the release of Kubernetes; choose --node-image ${kubernetes}`;
  if (BALANCERS[balancer].members[policy] === 'pods')
    return `${BALANCERS[balancer].title} sends to pods themselves, to which the balancer's container has no route; play it with --cluster sim or netns`;
  const mode = proxyMode(proxy);
  if (mode === undefined)
    return `kind runs kube-proxy; ${proxy} needs a cluster that has it (--cluster kubeconfig)`;
  const minor = image === undefined ? undefined : imageVersion(image)?.[1];
  if (mode === 'nftables' && minor !== undefined && minor < NFTABLES_SINCE)
    return `kube-proxy has nftables mode since Kubernetes 1.${NFTABLES_SINCE}; ${image} is older`;
  if (mode === 'ipvs' && platform() === 'linux' && !existsSync('/proc/net/ip_vs'))
    return 'this kernel has no ip_vs (modprobe ip_vs)';
  return undefined;
}

/** The modelled release of Kubernetes that a node image runs; undefined where its name does not tell. */
const releaseOf = (image: string | undefined) =>
  kubernetesVersion(image === undefined ? '' : (imageVersion(image)?.join('.') ?? ''));

/** The workers and their control plane. */
const nodesOf = ({ nodes }: Pick<Axes, 'nodes'>) => nodes + 1;

function tooManyNodes(
  axes: Axes,
  image: string | undefined,
  keep: boolean,
  running: readonly string[],
): string | undefined {
  const own = keptName(shapeOf(axes, image));
  const others = running.filter((name) => !(keep && name === own)).length;
  const lacking = lacksInotify(nodesOf(axes), others);
  return lacking && `${lacking.what}; ${lacking.mend}`;
}

/** The kind cluster of each node that runs; none where no engine answers. */
async function runningNodes(): Promise<string[]> {
  const format = `{{.Label "${CLUSTER_LABEL}"}}`;
  const words = ['ps', '--filter', `label=${CLUSTER_LABEL}`, '--format', format];
  return lines('docker', words).catch(() => []);
}

async function preflight(running: number): Promise<Preflight> {
  const missing: { what: string; mend: string }[] = [];
  const works = (file: string, args: string[]) =>
    command(file, args).then(
      (text) => text.trim(),
      () => undefined,
    );
  const engine = await works('docker', ['version', '--format', '{{.Server.Version}}']);
  if (engine === undefined)
    missing.push({
      what: 'no Docker engine answers',
      mend: 'start it, or install it: https://docs.docker.com/engine/install/',
    });
  const kind = await works('kind', ['version']);
  if (kind === undefined)
    missing.push({
      what: 'kind is not installed',
      mend: 'https://kind.sigs.k8s.io/docs/user/quick-start/#installation',
    });
  // Elsewhere containers live in a virtual machine, and only its own network reaches them.
  if (platform() !== 'linux')
    missing.push({
      what: 'containers cannot be reached from here by their own addresses',
      mend: 'run onedrop itself in a container of the engine: docker run --rm -it --network host -v /var/run/docker.sock:/var/run/docker.sock -v "$PWD":/onedrop -w /onedrop node:24-bookworm (with docker and kind in it)',
    });
  const least = lacksInotify(nodesOf({ nodes: 1 }), running);
  if (least !== undefined) missing.push(least);
  if (missing.length > 0) return { usable: false, missing };
  const usual = lacksInotify(nodesOf({ nodes: Number(AXES.nodes.fallback) }), running);
  const notes = [`kind: Docker engine ${engine}, ${kind}`];
  if (usual !== undefined) notes.push(`kind: ${usual.what}; ${usual.mend}`);
  return { usable: true, notes };
}
