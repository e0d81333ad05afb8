import type {
  KubeConfig,
  KubernetesObject,
  V1Container,
  V1Deployment,
  V1Service,
} from '@kubernetes/client-node';
import { type ClientProtocol, clientProtocol } from '../../harness/config/client-protocol.ts';
import { drainsOwn } from '../../harness/config/own-gateway.ts';
import type { Cluster, ClusterSpec, Power, RunContext } from '../../harness/contracts/cluster.ts';
import type { Config } from '../../harness/contracts/config.ts';
import type {
  ClientAddress,
  ClientGroup,
  Socket,
  SocketHandlers,
} from '../../harness/contracts/connection.ts';
import type { PodTemplates } from '../../harness/contracts/workload.ts';
import { NotReachedError } from '../../harness/errors.ts';
import { dialWebSocket } from '../../harness/fleet/websocket.ts';
import { watchHarness } from '../../harness/run/innocence-clock.ts';
import type { Random } from '../../harness/statistics/random.ts';
import type { Clock } from '../../harness/time/clock.ts';
import type { Millis } from '../../harness/time/duration.ts';
import { formatDuration } from '../../harness/time/duration.ts';
import { heed } from '../../harness/time/heed.ts';
import { ScaledClock } from '../../harness/time/scaled-clock.ts';
import { ADMIN_PORT, withoutLimits, workload } from '../../harness/workload/workload.ts';
import { clusterFacts } from './api/cluster-facts.ts';
import { collectNamespace } from './api/collect.ts';
import type { Dress } from './api/kube-client.ts';
import { KubeClient } from './api/kube-client.ts';
import { Observer } from './api/observer.ts';
import { SystemWatch } from './api/system-watch.ts';
import type { Entrance } from './front/entrance.ts';
import { pickUrl, wayIn } from './front/entrance.ts';
import { type FoundHops, hopFacts } from './front/found-hops.ts';
import { Front, type FrontWay } from './front/front.ts';
import { CONTROL, controlGroup } from './gateway/control-group.ts';
import { IMAGE_COMMANDS } from './gateway/gateway-image.ts';
import { GatewayLogs } from './gateway/gateway-logs.ts';
import { renderOwnChart } from './gateway/helm.ts';
import { installChart } from './gateway/install-chart.ts';
import { ownImages } from './gateway/own-chart.ts';
import { MANAGED_BY, RUN_LABEL } from './lease/names.ts';
import { createRunNamespace, type RunNamespace } from './lease/run-namespace.ts';

/** As many attempts in a row must succeed before the Service counts as reachable: a balancer's backends turn healthy one by one. */
const KNOCKS = 10;
const KNOCK_LIMIT: Millis = 2000;

/** How long a Service is waited for before it is asked whether the cluster itself is well. */
const ASK_WHY_EVERY: Millis = 60_000;

/** What a thin provider knows of the cluster that it has obtained. */
export interface KubernetesClusterOptions {
  readonly spec: ClusterSpec;
  readonly context: RunContext;
  readonly config: KubeConfig;
  /** Of the namespace, and of the lease that says whether its run lives. */
  readonly name: string;
  /** The gateway's image as this cluster's nodes can pull it, or have it. */
  readonly image: string;
  readonly entrance: Entrance;
  /** What a Service of type LoadBalancer needs here to get the balancer that the axes ask for: annotations, an address. */
  balancedService?(service: V1Service): V1Service | Promise<V1Service>;
  /** Called before an autoscaler is applied, for clusters that serve metrics only when they are asked to. */
  needsMetrics?(): Promise<void>;
  /** Brings the images of the user's own gateway to the nodes where they cannot pull them; returns those they hold now. */
  bringImages?(images: readonly string[]): Promise<readonly string[]>;
  /** What this cluster has to put in front of the gateways: an ingress controller, a Gateway API, a mesh. */
  readonly hops?: FoundHops;
  /** externalTrafficPolicy of the control group's Service; Local where nodes may lose power: who enters by others is safe. */
  readonly controlPolicy?: 'Cluster' | 'Local';
  /** The SOCKS proxy that clients' connections leave from; undefined: from this machine. */
  readonly proxy?: string;
  readonly facts: Readonly<Record<string, string>>;
  /** Leave the namespace when the cell broke, for a person to look at. */
  readonly retain?: boolean;
}

/** A cell in a namespace of its own on any Kubernetes cluster; all that kind, gke and kubeconfig share. */
export class KubernetesCluster implements Cluster {
  readonly clock: Clock;
  readonly kube: KubeClient;
  readonly facts: Readonly<Record<string, string>>;
  readonly podTemplates?: PodTemplates;
  readonly hasIngressController: boolean;
  readonly observer: Observer;
  /** Aborted when the run is asked to end. */
  readonly signal: AbortSignal;
  /** What looks at the cluster or steers it from here; always ended. A provider may add to it. */
  readonly watching: AsyncDisposableStack;
  /** What a provider makes beside the namespace, such as a balancer; removed before it. */
  readonly additions = new AsyncDisposableStack();
  /** Told to a provider when the cell broke and all that was made stays. */
  readonly onRetained: (() => Promise<void>)[] = [];
  /** What a provider knows must hold before clients may come, although connections open already. */
  readonly settled: ((service: string) => boolean)[] = [];
  /** What a provider adds to `collect`. */
  readonly collectors: ((directory: string) => Promise<void>)[] = [];
  /** A provider's, where it has switches. */
  power?: Power;
  private failure: Error | undefined;
  private readonly retain: boolean;
  private retained = false;
  private readonly entrance: Entrance;
  /** What every client's dial has in common. */
  private readonly via: { readonly proxy?: string };
  private readonly keepalive: Millis | undefined;
  private readonly own: Config | undefined;
  private readonly protocol: ClientProtocol | undefined;
  private readonly random: Record<ClientGroup, Random>;
  private readonly namespace: RunNamespace;
  private readonly front: Front | undefined;
  private readonly system: SystemWatch;

  private constructor(
    options: KubernetesClusterOptions,
    parts: {
      clock: Clock;
      kube: KubeClient;
      system: SystemWatch;
      observer: Observer;
      namespace: RunNamespace;
      front: Front | undefined;
      facts: Readonly<Record<string, string>>;
      podTemplates: PodTemplates | undefined;
    },
    watching: AsyncDisposableStack,
  ) {
    this.signal = options.context.signal;
    this.clock = parts.clock;
    this.kube = parts.kube;
    this.observer = parts.observer;
    this.facts = parts.facts;
    if (parts.podTemplates !== undefined) this.podTemplates = parts.podTemplates;
    this.entrance = options.entrance;
    this.via = options.proxy === undefined ? {} : { proxy: options.proxy };
    this.keepalive = options.spec.axes.keepalive;
    this.own = options.spec.own;
    this.protocol = this.own && clientProtocol(this.own);
    this.retain = options.retain ?? false;
    const random = options.context.random.fork('way in');
    this.random = { fleet: random.fork('fleet'), control: random.fork('control') };
    this.namespace = parts.namespace;
    this.front = parts.front;
    this.system = parts.system;
    this.hasIngressController = parts.front !== undefined;
    this.watching = watching;
  }

  /** Makes the namespace, watches it, and brings up the control pod; whatever fails, nothing is left. */
  static async open(options: KubernetesClusterOptions): Promise<KubernetesCluster> {
    const { spec, context, config, image, name } = options;
    await using opening = new AsyncDisposableStack();
    await using watching = new AsyncDisposableStack();
    const clock = new ScaledClock(1);
    const held = new Set<string>();
    const plain = dresser(image, name, held, options);
    let front: Front | undefined;
    const dress: Dress = async (object) => {
      const dressed = await plain(object);
      return front === undefined ? dressed : front.dress(dressed);
    };
    const { signal } = context;
    const kube = await KubeClient.connect({ config, clock, namespace: name, dress, signal });
    const system = new SystemWatch(kube.connection, clock, signal);
    await system.whenWell((text) => context.record({ at: clock.now(), type: 'note', text }));
    const hopsFound = options.hops === undefined ? {} : hopFacts(options.hops);
    const facts = { ...(await clusterFacts(kube)), ...hopsFound, ...options.facts };
    const { own } = spec;
    const place = { namespace: name, signal, ...(facts.kubernetes && { kubernetes: facts.kubernetes }) };
    const chart = own && (await renderOwnChart(own, place));
    if (own !== undefined)
      for (const one of (await options.bringImages?.(ownImages(own, chart))) ?? []) held.add(one);
    const namespace = opening.use(await createRunNamespace(kube.connection, clock, name));
    const record = context.record.bind(context);
    watching.use(watchHarness(clock, (event) => record({ at: clock.now(), ...event })));
    const observer = watching.use(new Observer(kube, clock, record));
    const logs = watching.use(new GatewayLogs(kube, clock, record));
    if (options.hops !== undefined)
      front = watching.use(
        new Front({
          hops: options.hops,
          kube,
          clock,
          entrance: options.entrance,
          nodes: () => observer.all('Node'),
          services: () => observer.all('Service'),
          record,
        }),
      );
    observer.on('Pod', { changed: (pod) => logs.changed(pod), gone: (pod) => logs.gone(pod) });
    const { deployment, service } = controlGroup(
      workload({ ...withoutLimits(spec.axes), policy: options.controlPolicy ?? 'Cluster' }),
    );
    await kube.apply(deployment);
    await kube.apply(service);
    if (chart !== undefined) await installChart(kube, clock, chart, signal);
    for (const note of chart?.notes ?? []) observer.note(note);
    const podTemplates = chart?.templates;
    opening.move();
    const parts = { clock, kube, system, observer, namespace, front, facts, podTemplates };
    return new KubernetesCluster(options, parts, watching.move());
  }

  /** Also waits until the control group can be reached. */
  async reachable(service: string, limit: Millis, signal = this.signal): Promise<void> {
    const deadline = this.clock.now() + limit;
    let askAfter = this.clock.now() + ASK_WHY_EVERY;
    for (const name of [service, CONTROL])
      for (let inRow = 0; inRow < KNOCKS; ) {
        if (this.failure !== undefined) throw this.failure;
        if (this.clock.now() > deadline) throw new NotReachedError(this.whyUnreachable(name, limit));
        if ((await heed(this.knock(name), signal)) && this.settled.every((holds) => holds(name))) inRow++;
        else {
          inRow = 0;
          if (this.clock.now() > askAfter) {
            // A cluster that has fallen ill since it was opened will not carry anybody there.
            const complaint = await this.system.complaint();
            if (complaint !== undefined) throw new NotReachedError(complaint);
            askAfter = this.clock.now() + ASK_WHY_EVERY;
          }
          await this.clock.sleep(500, signal);
        }
      }
  }

  async call(pod: string, path: string): Promise<void> {
    if (this.failure !== undefined) throw this.failure;
    // A gateway of the user's own says nothing on its output that could be read here.
    if (this.own !== undefined && drainsOwn(this.own, path))
      this.observer.seen({ type: 'gateway', pod, did: 'drain', why: `POST ${path}` });
    await this.kube.postToPod(pod, this.own?.gateway.admin?.port ?? ADMIN_PORT, path);
  }

  dial(client: ClientAddress, handlers: SocketHandlers): Socket {
    return this.dialService(
      client.group === 'fleet' ? client.service : CONTROL,
      this.random[client.group],
      handlers,
      client.isSettled,
    );
  }

  /** Something that belongs to the cluster broke in the background; the next verb throws it. */
  fail(error: unknown): void {
    this.failure ??= error instanceof Error ? error : new Error(String(error));
    this.observer.note(`the cluster broke: ${this.failure.message}`);
  }

  /** Asked for when the cell broke, which is also when `retain` keeps all that there is. */
  async collect(directory: string): Promise<void> {
    this.retained = this.retain;
    for (const collect of [(into: string) => collectNamespace(this.kube, into), ...this.collectors])
      await collect(directory).catch((error: Error) =>
        this.observer.note(`could not collect: ${error.message}`),
      );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.watching.disposeAsync();
    if (this.retained) {
      await this.namespace.abandon();
      for (const told of this.onRetained) await told();
      return;
    }
    try {
      await this.additions.disposeAsync();
    } finally {
      await this.namespace[Symbol.asyncDispose]();
    }
  }

  private dialService(name: string, random: Random, handlers: SocketHandlers, isSettled = false): Socket {
    const service = this.observer.all('Service').find(({ metadata }) => metadata?.name === name);
    const around = { nodes: this.observer.all('Node'), slices: this.observer.all('EndpointSlice') };
    const front = name === CONTROL ? undefined : this.front?.wayIn(name);
    const url = pickUrl(front?.way ?? wayIn(this.entrance, service, around), random);
    const host = front === undefined ? {} : { host: front.host };
    const protocol = name === CONTROL ? undefined : this.protocol;
    if (url !== undefined && protocol !== undefined)
      return dialWebSocket(
        { url: new URL(protocol.path, url).href, protocol, ...host, ...this.via, keepalive: this.keepalive },
        handlers,
      );
    const keepalive = name === CONTROL ? undefined : this.keepalive;
    if (url !== undefined)
      return dialWebSocket({ url, isSettled, ...host, ...this.via, keepalive }, handlers);
    const refusal = this.clock.after(0, () =>
      handlers.closed({ how: 'refused', why: `${name} has no address` }),
    );
    const quiet = () => refusal[Symbol.dispose]();
    return { ping() {}, close: quiet, destroy: quiet };
  }

  /** One attempt to connect, closed again at once. */
  private knock(service: string): Promise<boolean> {
    return new Promise((resolve) => {
      const end = (opened: boolean) => {
        timer[Symbol.dispose]();
        socket.destroy();
        resolve(opened);
      };
      const timer = this.clock.after(KNOCK_LIMIT, () => end(false));
      const socket: Socket = this.dialService(service, this.random.control, {
        opened: () => end(true),
        answered() {},
        asked() {},
        closed: () => end(false),
      });
    });
  }

  private whyUnreachable(name: string, limit: Millis): string {
    const service = this.observer.all('Service').find(({ metadata }) => metadata?.name === name);
    const front = name === CONTROL ? undefined : this.front?.wayIn(name);
    if (front !== undefined) return frontUnreachable(name, limit, front);
    const found =
      service === undefined
        ? 'no such Service was seen'
        : (service.status?.loadBalancer?.ingress ?? []).length === 0 && this.entrance === 'load-balancer'
          ? 'no load balancer has given it an address; where the cluster has none, enter through a node port'
          : 'it has an address, but connections to it do not open';
    return `Service ${name} cannot be reached after ${formatDuration(limit)}: ${found}`;
  }
}

function frontUnreachable(name: string, limit: Millis, { way, host }: FrontWay): string {
  const found =
    way.hosts.length === 0
      ? 'no controller has given it an address'
      : `connections to ${way.hosts.join(', ')}, port ${way.port}, for host ${host} do not open`;
  return `Ingress or Gateway ${name} cannot be reached after ${formatDuration(limit)}: ${found}`;
}

/** What every applied object gets: the run's labels, the image that this cluster has, what its balancers need. */
function dresser(
  image: string,
  run: string,
  held: ReadonlySet<string>,
  options: Pick<KubernetesClusterOptions, 'balancedService' | 'needsMetrics'>,
): Dress {
  return async <T extends KubernetesObject>(object: T): Promise<T> => {
    const labels = { ...object.metadata?.labels, ...MANAGED_BY, [RUN_LABEL]: run };
    const dressed = { ...object, metadata: { ...object.metadata, labels } };
    if (object.kind === 'Deployment') return withImages(dressed, image, held);
    if (object.kind === 'HorizontalPodAutoscaler') await options.needsMetrics?.();
    const service = dressed as V1Service;
    if (object.kind !== 'Service' || service.spec?.type !== 'LoadBalancer') return dressed;
    return ((await options.balancedService?.(service)) ?? service) as T;
  };
}

/** `image` in place of the built-in images' names; others (bring your own) keep theirs, and are not pulled where `held`. */
function withImages<T extends KubernetesObject>(object: T, image: string, held: ReadonlySet<string>): T {
  const { spec } = object as V1Deployment;
  const pod = spec?.template.spec;
  if (spec === undefined || pod == null) return object;
  const named = (container: V1Container): V1Container => {
    if (held.has(container.image ?? '')) return { ...container, imagePullPolicy: 'IfNotPresent' };
    const command = IMAGE_COMMANDS[container.image ?? ''];
    if (command === undefined) return container;
    const built = { ...container, image, imagePullPolicy: 'IfNotPresent' };
    return command.length === 0 ? built : { ...built, command: [...command] };
  };
  const { containers, initContainers } = pod;
  const changed = {
    ...pod,
    containers: containers.map(named),
    ...(initContainers === undefined ? {} : { initContainers: initContainers.map(named) }),
  };
  return { ...object, spec: { ...spec, template: { ...spec.template, spec: changed } } };
}
