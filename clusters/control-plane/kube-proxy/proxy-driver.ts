import type { KubernetesObject, V1EndpointSlice, V1Service } from '@kubernetes/client-node';
import type { TimedEvent } from '../../../harness/contracts/event.ts';
import { type Dataplane, dataplane } from '../../../harness/platforms/dataplanes.ts';
import type { Random } from '../../../harness/statistics/random.ts';
import type { Millis } from '../../../harness/time/duration.ts';
import { type Context, perform } from '../context.ts';
import { type BoundedFrequency, createBoundedFrequency, tryRun } from '../controllers/bounded-frequency.ts';
import { zoneOfNode } from '../controllers/scheduler.ts';
import type { MachineNode } from '../machine.ts';
import { nameOf } from '../store/objects.ts';
import { chooseEndpoints } from './endpoint-choice.ts';
import { nodeRules, vintageOf } from './kube-proxy.ts';
import type { NodeRules, ServiceRules } from './rules.ts';
import { type ServicePort, servicePorts } from './service-port.ts';

/** The burst of kube-proxy's runner (FACTS B5). */
const BURST = 2;
/** IPVS's graceful termination looks at real servers of weight 0 once a minute (FACTS B4). */
const IPVS_RECHECK: Millis = 60_000;
/** From a change in the API to the proxy's having seen it. */
const WATCH = { least: 5, most: 50 } as const;
/** From reading its caches to rules in force, on a small cluster. */
const SYNC = { least: 20, most: 100 } as const;

type ProxyWord = Extract<TimedEvent, { type: 'proxy' }>['rules'];

interface Proxy {
  readonly node: MachineNode;
  readonly random: Random;
  runner: BoundedFrequency;
  inForce: NodeRules | undefined;
  /** What the rules in force were made of; objects are immutable, so the same ones make the same rules. */
  sources: readonly KubernetesObject[];
  syncing: boolean;
  /** Asked for again while a sync was under way. */
  again: boolean;
  timer: Disposable | undefined;
  delivery: Disposable | undefined;
  recheck: Disposable | undefined;
  readonly logged: Map<string, string>;
}

/** kube-proxy (or its like) on every node: watches Services and EndpointSlices and programs the machine. */
export class ProxyDriver implements Disposable {
  private readonly context: Context;
  private readonly dataplane: Dataplane;
  private readonly proxies = new Map<string, Proxy>();

  constructor(context: Context) {
    this.context = context;
    this.dataplane = dataplane(context.axes.proxy);
    context.store.watch((_type, object) => {
      const shared = object.kind === 'Service' || object.kind === 'EndpointSlice';
      for (const proxy of this.proxies.values())
        if (shared || (object.kind === 'Node' && nameOf(object) === proxy.node.name)) this.deliver(proxy);
    });
  }

  /** Starts the proxy of a node; resolves when its first rules are in force. */
  async addNode(node: MachineNode): Promise<void> {
    const { clock, random, machine } = this.context;
    const proxy: Proxy = {
      node,
      random: random.fork(`kube-proxy/${node.name}`),
      runner: createBoundedFrequency(this.dataplane.minSyncPeriod, BURST, clock.now()),
      inForce: undefined,
      sources: [],
      syncing: true,
      again: false,
      timer: undefined,
      delivery: undefined,
      recheck: undefined,
      logged: new Map(),
    };
    this.proxies.set(node.name, proxy);
    const sources = this.sources(proxy);
    const rules = this.rules(proxy);
    await machine.programNode(rules);
    this.applied(proxy, rules, sources);
  }

  removeNode(name: string): void {
    const proxy = this.proxies.get(name);
    if (proxy === undefined) return;
    this.proxies.delete(name);
    this.silence(proxy);
  }

  /** Whether the rules in force on a node were made of what the API says now. */
  isCurrent(node: string): boolean {
    const proxy = this.proxies.get(node);
    return proxy !== undefined && same(proxy.sources, this.sources(proxy));
  }

  /** The rules that are in force on a node. */
  inForce(node: string): NodeRules | undefined {
    return this.proxies.get(node)?.inForce;
  }

  /** What new connections to a Service from outside meet on a node, by the rules in force there. */
  word(node: string, service: string): string | undefined {
    return this.proxies.get(node)?.logged.get(service)?.split(' ')[0];
  }

  [Symbol.dispose](): void {
    for (const proxy of this.proxies.values()) this.silence(proxy);
    this.proxies.clear();
  }

  private silence(proxy: Proxy): void {
    for (const timer of [proxy.timer, proxy.delivery, proxy.recheck]) timer?.[Symbol.dispose]();
  }

  private deliver(proxy: Proxy): void {
    if (proxy.delivery !== undefined) return;
    proxy.delivery = this.context.clock.after(proxy.random.integer(WATCH.least, WATCH.most + 1), () => {
      proxy.delivery = undefined;
      this.request(proxy);
    });
  }

  private request(proxy: Proxy): void {
    if (proxy.syncing) {
      proxy.again = true;
      return;
    }
    const { runner, wait } = tryRun(proxy.runner, this.context.clock.now());
    proxy.runner = runner;
    proxy.timer?.[Symbol.dispose]();
    proxy.timer = undefined;
    if (wait === undefined) this.sync(proxy);
    else
      proxy.timer = this.context.clock.after(wait, () => {
        proxy.timer = undefined;
        this.request(proxy);
      });
  }

  private sync(proxy: Proxy): void {
    const sources = this.sources(proxy);
    if (same(sources, proxy.sources) && this.dataplane.mode !== 'ipvs') return;
    proxy.syncing = true;
    const rules = this.rules(proxy);
    proxy.timer = this.context.clock.after(proxy.random.integer(SYNC.least, SYNC.most + 1), () => {
      proxy.timer = undefined;
      perform(
        this.context,
        () => this.context.machine.programNode(rules),
        () => {
          if (this.proxies.get(proxy.node.name) === proxy) this.applied(proxy, rules, sources);
        },
      );
    });
  }

  private applied(proxy: Proxy, rules: NodeRules, sources: readonly KubernetesObject[]): void {
    proxy.inForce = rules;
    proxy.sources = sources;
    proxy.syncing = false;
    this.log(proxy, sources);
    if (proxy.again) {
      proxy.again = false;
      this.request(proxy);
    }
    proxy.recheck?.[Symbol.dispose]();
    proxy.recheck = undefined;
    if (rules.rules.mode === 'ipvs' && hasDraining(rules.rules.virtualServers))
      proxy.recheck = this.context.clock.after(IPVS_RECHECK, () => this.request(proxy));
  }

  private sources(proxy: Proxy): KubernetesObject[] {
    const { store } = this.context;
    const node = store.get('Node', proxy.node.name);
    return [...store.list('Service'), ...store.list('EndpointSlice'), ...(node ? [node] : [])];
  }

  private rules(proxy: Proxy): NodeRules {
    const { store, axes, clock } = this.context;
    const node = store.get('Node', proxy.node.name);
    return nodeRules({
      services: store.list('Service'),
      slices: store.list('EndpointSlice'),
      node: {
        ...proxy.node,
        zone: node && zoneOfNode(node),
        taints: (node?.spec?.taints ?? []).map(({ key }) => key),
      },
      mode: axes.proxy,
      kubernetes: axes.kubernetes,
      ...(proxy.inForce === undefined ? {} : { previous: proxy.inForce }),
      now: clock.now(),
    });
  }

  /** Says what each balanced Service now has on this node, where that has changed. */
  private log(proxy: Proxy, sources: readonly KubernetesObject[]): void {
    const { axes, record } = this.context;
    const rules = proxy.inForce?.rules;
    const services: V1Service[] = sources.filter(({ kind }) => kind === 'Service');
    const slices = sources.filter(({ kind }) => kind === 'EndpointSlice') as V1EndpointSlice[];
    const vintage = vintageOf(this.dataplane, axes.kubernetes);
    const present = new Set<string>();
    for (const port of servicePorts(services, slices, { node: proxy.node.name }, vintage)) {
      if (port.balancerAddresses.length === 0 || present.has(port.service)) continue;
      present.add(port.service);
      const word = wordFor(port, this.dataplane, rules);
      const localEndpoints = port.endpoints.filter(({ local, ready }) => local && ready).length;
      const text = `${word} ${localEndpoints}`;
      if (proxy.logged.get(port.service) === text) continue;
      proxy.logged.set(port.service, text);
      record({ type: 'proxy', node: proxy.node.name, service: port.service, rules: word, localEndpoints });
    }
    for (const service of [...proxy.logged.keys()])
      if (!present.has(service)) {
        proxy.logged.delete(service);
        record({ type: 'proxy', node: proxy.node.name, service, rules: 'none', localEndpoints: 0 });
      }
  }
}

/** What a new connection from outside meets. */
function wordFor(port: ServicePort, { refusal }: Dataplane, rules: ServiceRules | undefined): ProxyWord {
  const { external, any } = chooseEndpoints(port);
  const [address] = port.balancerAddresses;
  const forwards =
    rules?.mode === 'cilium'
      ? rules.services.some(
          (one) => one.address === address && one.port === port.port && one.backends.length > 0,
        )
      : external;
  return forwards ? 'forward' : refusal[any ? 'elsewhere' : 'nowhere'];
}

const same = (left: readonly KubernetesObject[], right: readonly KubernetesObject[]) =>
  left.length === right.length && left.every((object, index) => object === right[index]);

const hasDraining = (servers: readonly { readonly realServers: readonly { readonly weight: number }[] }[]) =>
  servers.some(({ realServers }) => realServers.some(({ weight }) => weight === 0));
