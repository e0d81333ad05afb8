import type { KubernetesObject, V1Deployment, V1Ingress, V1Node, V1Service } from '@kubernetes/client-node';
import { PatchStrategy } from '@kubernetes/client-node';
import type { Event, TimedEvent } from '../../../harness/contracts/event.ts';
import type { Clock } from '../../../harness/time/clock.ts';
import { INJECT_LABEL } from '../../../harness/workload/mesh-workload.ts';
import { SERVICE_PORT } from '../../../harness/workload/workload.ts';
import { followLog } from '../api/follow-log.ts';
import type { KubeClient } from '../api/kube-client.ts';
import { isReady, nodeAddress } from '../api/views.ts';
import { controllerEvent, type OldWorkers } from './controller-log.ts';
import type { Entrance, WayIn } from './entrance.ts';
import { type FoundHops, httpPort } from './found-hops.ts';

/** How clients reach what stands in front: where they dial, and the host that they ask for. */
export interface FrontWay {
  readonly way: WayIn;
  readonly host: string;
}

/** The part of gateway.networking.k8s.io/v1 that is understood here. */
interface Gateway extends KubernetesObject {
  readonly status?: { readonly addresses?: readonly { readonly value: string }[] };
}
type HTTPRoute = KubernetesObject & {
  spec?: { parentRefs?: readonly { name: string }[]; hostnames?: readonly string[] };
};

/** By which an implementation of the Gateway API marks what it makes for a Gateway (GEP-1762). */
const GATEWAY_NAME = 'gateway.networking.k8s.io/gateway-name';
/** The level of the run's namespace: Istio's init container sets up iptables, and a Gateway's proxies are not all *restricted*. */
const POD_SECURITY = 'pod-security.kubernetes.io/enforce';

/** What of the cluster around decides where clients dial. */
interface FrontOptions {
  readonly hops: FoundHops;
  readonly kube: KubeClient;
  readonly clock: Clock;
  readonly entrance: Entrance;
  nodes(): readonly V1Node[];
  services(): readonly V1Service[];
  record(event: Event): void;
}

/**
 * What the cluster itself puts in front of one cell's gateways: its ingress-nginx, a Gateway of its Gateway API, its
 * mesh. Manifests get the names that this cluster knows; nothing outside the cell's namespace is changed. Until a
 * manifest asks for something in front, nothing is watched.
 */
export class Front implements AsyncDisposable {
  private readonly options: FrontOptions;
  private readonly watches = new AsyncDisposableStack();
  private readonly ended = new AbortController();
  /** Ingresses and Gateways as they were told last. */
  private readonly ingresses = new Map<string, V1Ingress>();
  private readonly gateways = new Map<string, Gateway>();
  /** What was done once, for the first manifest that needed it. */
  private readonly done = new Map<string, Promise<void>>();
  /** What was recorded of each way in. */
  private readonly told = new Map<string, string>();

  constructor(options: FrontOptions) {
    this.options = options;
    this.watches.defer(() => this.ended.abort());
  }

  /** One no other run has: an Ingress without a host would take the requests of everybody behind the same controller. */
  private get host(): string {
    return `${this.options.kube.namespace}.onedrop.test`;
  }

  /** A host of a manifest, where it names one, as one of this run's own. */
  private within(host: string | undefined): string {
    return host === undefined ? this.host : `${host}.${this.host}`;
  }

  /** The manifest as this cluster understands it; what it needs beside it is there afterwards. */
  async dress<T extends KubernetesObject>(object: T): Promise<T> {
    const { ingress, gatewayApi, mesh } = this.options.hops;
    if (object.kind === 'Ingress' && 'there' in ingress) {
      await this.once('Ingress', async () => this.watchIngresses());
      const { spec } = object as V1Ingress;
      const rules = (spec?.rules ?? []).map((rule) => ({ ...rule, host: this.within(rule.host) }));
      return { ...object, spec: { ...spec, ingressClassName: ingress.there.className, rules } };
    }
    if (object.kind === 'HTTPRoute' && 'there' in gatewayApi) {
      const { spec } = object as HTTPRoute;
      for (const { name } of spec?.parentRefs ?? [])
        await this.once(`Gateway/${name}`, () => this.makeGateway(name));
      const hostnames = (spec?.hostnames ?? [undefined]).map((host) => this.within(host));
      return { ...object, spec: { ...spec, hostnames } };
    }
    const { labels } = (object as V1Deployment).spec?.template?.metadata ?? {};
    if (object.kind === 'Deployment' && labels?.[INJECT_LABEL] === 'true' && 'there' in mesh)
      await this.once('mesh', () =>
        this.labelNamespace({ ...mesh.there.labels, [POD_SECURITY]: 'privileged' }),
      );
    return object;
  }

  /** The way to the Ingress or Gateway of this name; undefined where the cell has none. */
  wayIn(name: string): FrontWay | undefined {
    const ingress = this.ingresses.get(name);
    const gateway = this.gateways.get(name);
    if (ingress === undefined && gateway === undefined) return undefined;
    const way = ingress === undefined ? this.toGateway(gateway ?? {}) : this.toController(ingress);
    this.tellWay(ingress === undefined ? 'Gateway' : 'Ingress', name, way);
    return { way, host: this.host };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.watches.disposeAsync();
  }

  /** By the controller's Service, which knows its ports; by what the controller writes into the Ingress otherwise. */
  private toController({ status }: V1Ingress): WayIn {
    const { ingress } = this.options.hops;
    const { service, pods = [] } = 'there' in ingress ? ingress.there : {};
    const local = service?.spec?.externalTrafficPolicy === 'Local' && pods.length > 0;
    const carriers = local ? new Set(pods.map(({ node }) => node)) : undefined;
    const through = service && this.throughService(service, carriers);
    if (through !== undefined) return through;
    const addresses = status?.loadBalancer?.ingress ?? [];
    return { hosts: addresses.flatMap(({ ip, hostname }) => ip ?? hostname ?? []), port: SERVICE_PORT };
  }

  private toGateway({ metadata, status }: Gateway): WayIn {
    const service = this.options
      .services()
      .find(({ metadata: own }) => own?.labels?.[GATEWAY_NAME] === metadata?.name);
    const through = service && this.throughService(service);
    if (through !== undefined) return through;
    // A name that only the cluster's own DNS knows leads nobody in from outside.
    const hosts = (status?.addresses ?? []).map(({ value }) => value);
    return { hosts: hosts.filter((host) => !host.endsWith('.cluster.local')), port: SERVICE_PORT };
  }

  /** Through its balancer where clients enter by balancers and it has an address, or else through its node port. */
  private throughService(service: V1Service, carriers?: ReadonlySet<string>): WayIn | undefined {
    const { entrance, nodes } = this.options;
    const port = httpPort(service);
    const balanced = (service.status?.loadBalancer?.ingress ?? []).flatMap(
      ({ ip, hostname }) => ip ?? hostname ?? [],
    );
    if (entrance === 'load-balancer' && balanced.length > 0)
      return { hosts: balanced, port: port?.port ?? SERVICE_PORT };
    if (port?.nodePort === undefined) return undefined;
    const ready = nodes().filter(
      (node) => isReady(node) && carriers?.has(node.metadata?.name ?? '') !== false,
    );
    return { hosts: ready.flatMap((node) => nodeAddress(node) ?? []), port: port.nodePort };
  }

  private watchIngresses(): void {
    const { kube } = this.options;
    this.watches.use(
      kube.watch('Ingress', {
        changed: (ingress) => this.ingresses.set(ingress.metadata?.name ?? '', ingress),
        gone: ({ metadata }) => this.ingresses.delete(metadata?.name ?? ''),
        broke: (why) => this.note(`watching Ingresses was interrupted and goes on: ${why}`),
      }),
    );
    this.followController();
  }

  /** Reads along with the controller's log, which is where its reloads can be seen without asking for more. */
  private followController(): void {
    const { hops, kube, clock } = this.options;
    const { pods } = 'there' in hops.ingress ? hops.ingress.there : { pods: [] };
    if (pods.length === 0)
      this.note('reloads of ingress-nginx are not seen: its pods were not found, or may not be read');
    for (const { namespace, name } of pods) {
      const old: OldWorkers = new Map();
      void followLog(
        { connection: kube.connection, namespace, name },
        {
          clock,
          signal: this.ended.signal,
          begin: { sinceSeconds: '1' },
          wanted: () => true,
          line: (line) => {
            const event = controllerEvent(name, line, clock.now(), old);
            if (event !== undefined) this.tell(event, line.split(' ', 1)[0]);
          },
          failed: (why) =>
            this.once(`log of ${name}`, async () =>
              this.note(`reloads of ${name} may not be seen: ${why.message}`),
            ),
        },
      );
    }
  }

  /** The Gateway that a route hangs on, of this cluster's class; in the cell's namespace, and gone with it. */
  private async makeGateway(name: string): Promise<void> {
    const { kube, hops } = this.options;
    if (!('there' in hops.gatewayApi)) return;
    await this.labelNamespace({ [POD_SECURITY]: 'baseline' });
    this.watches.use(
      kube.watch('Gateway', {
        changed: (gateway) => this.gateways.set(gateway.metadata?.name ?? '', gateway as Gateway),
        gone: ({ metadata }) => this.gateways.delete(metadata?.name ?? ''),
        broke: (why) => this.note(`watching Gateways was interrupted and goes on: ${why}`),
      }),
    );
    await kube.apply({
      apiVersion: 'gateway.networking.k8s.io/v1',
      kind: 'Gateway',
      metadata: { name },
      spec: {
        gatewayClassName: hops.gatewayApi.there.className,
        listeners: [{ name: 'http', port: SERVICE_PORT, protocol: 'HTTP' }],
      },
    } as KubernetesObject);
  }

  private async labelNamespace(labels: Readonly<Record<string, string>>): Promise<void> {
    const { connection, namespace } = this.options.kube;
    await connection.request('PATCH', `/api/v1/namespaces/${namespace}`, {
      body: JSON.stringify({ metadata: { labels } }),
      contentType: PatchStrategy.MergePatch,
    });
  }

  /** A failed attempt is made again by the next manifest that needs it. */
  private once(what: string, act: () => Promise<void>): Promise<void> {
    const begun =
      this.done.get(what) ??
      act().catch((error) => {
        this.done.delete(what);
        throw error;
      });
    this.done.set(what, begun);
    return begun;
  }

  private tellWay(kind: string, name: string, { hosts, port }: WayIn): void {
    const address = hosts.map((host) => `${host}:${port}`).join(', ') || 'none yet';
    if (this.told.get(name) === address) return;
    this.told.set(name, address);
    this.tell({ type: 'evidence', source: `${kind} ${name}`, values: { address, host: this.host } });
  }

  private note(text: string): void {
    this.tell({ type: 'note', text });
  }

  private tell(event: TimedEvent, apiTime?: string): void {
    const { clock, record } = this.options;
    record({ at: clock.now(), ...event, ...(apiTime === undefined ? {} : { apiTime }) });
  }
}
