import type { TimedEvent } from '../../../harness/contracts/event.ts';
import type { Random } from '../../../harness/statistics/random.ts';
import type { Clock } from '../../../harness/time/clock.ts';
import type { Millis } from '../../../harness/time/duration.ts';
import {
  chooseBackend,
  findLocation,
  type IngressConfig,
  type IngressLocation,
} from '../../control-plane/ingress/ingress.ts';
import { type HopAct, hopEvent, type RunningProxy } from '../../control-plane/ingress/running-proxy.ts';
import type { Fabric } from '../network/fabric.ts';
import { parseAddress } from '../network/ipv4.ts';
import { Held, type HoldingProxy } from './held-connection.ts';
import type { GatewayConnection, ServingPod, SimProcess, Welcome } from './process.ts';

/** proxy_next_upstream_tries (ing configmap.md proxy-next-upstream-tries). */
const UPSTREAM_TRIES = 3;

/** One pod has so many ports to reach one endpoint from (net.ipv4.ip_local_port_range); then connect() fails. */
const PORTS_TO_AN_ENDPOINT = 28_232;

interface Host {
  readonly clock: Clock;
  readonly fabric: Fabric;
  readonly random: Random;
  record(event: TimedEvent): void;
  exit(why: string): void;
}

/**
 * The modelled proxy of an ingress controller or gateway: each WebSocket is two TCP connections, and its upstream is
 * drawn once, at the upgrade. Endpoints are dialled at their own addresses, where no Service rule applies, so the way
 * there is good as long as the pod and its node are. What differs from a passthrough balancer is what it does itself,
 * as its entry in harness/platforms/proxies.ts says: a reload leaves the connections to old workers, which end them
 * when their time is over, silence may not be tolerated, and it is released as well.
 */
export class SimIngress implements SimProcess, HoldingProxy {
  readonly host: Host;
  private readonly settings: RunningProxy;
  private readonly held = new Map<GatewayConnection, Held>();
  private locations: readonly IngressLocation[] = [];
  private dynamic: Pick<IngressConfig, 'routes' | 'backends'> = { routes: [], backends: [] };
  /** Connections to each process that is served through this pod. */
  private readonly ports = new Map<SimProcess, number>();
  /** The next endpoint of each backend. */
  private readonly turns = new Map<string, number>();
  private told: IngressConfig | undefined;
  private leaving = false;
  private accepting = true;
  private ended = false;
  /** Workers of before a reload are of an earlier generation. */
  private generation = 0;
  private workersSince: Millis;

  constructor(settings: RunningProxy, host: Host) {
    this.settings = settings;
    this.host = host;
    this.workersSince = host.clock.now();
  }

  get connections(): Iterable<GatewayConnection> {
    return this.held.keys();
  }

  listens(port: number): boolean {
    return port === this.settings.port && this.accepting;
  }

  upgrade(connection: GatewayConnection, answer: (welcome: Welcome | string) => void): void {
    const location = findLocation({ locations: this.locations }, '', '/');
    const pod = location === undefined ? 404 : this.choose(location.route);
    if (location === undefined || typeof pod === 'number') {
      answer(answered(pod as number));
      return;
    }
    const { generation: group } = this;
    const held = new Held(this, connection, pod.process, { idle: location.readTimeout, group });
    held.upgrade((welcome) => {
      if (typeof welcome !== 'string') {
        this.held.set(connection, held);
        this.count(held, 1);
      }
      answer(welcome);
    });
  }

  accept(connection: GatewayConnection): void {
    const held = this.held.get(connection);
    held?.begin();
    const { lifetime } = this.settings;
    if (lifetime === undefined) return;
    this.host.clock.after(lifetime, () => {
      if (held === undefined || this.held.get(connection) !== held) return;
      this.acted({ act: 'lifetime', connections: 1 });
      held.close();
    });
  }

  left(connection: GatewayConnection): void {
    const held = this.held.get(connection);
    if (held === undefined) return;
    this.forget(held);
    held.leave();
  }

  /** For Held: the connection is over, and both its ends know. */
  forget(held: Held): void {
    // One whose gateway ended before it answered was never held.
    if (this.held.delete(held.connection)) this.count(held, -1);
    held[Symbol.dispose]();
    if (!this.accepting && this.held.size === 0) this.end();
  }

  private count({ behind }: Held, change: number): void {
    this.ports.set(behind, (this.ports.get(behind) ?? 0) + change);
  }

  /** For Held. */
  idled(): void {
    this.acted({ act: 'idle', connections: 1 });
  }

  private acted(act: HopAct): void {
    if (act.connections > 0) this.host.record(hopEvent(this.settings, act));
  }

  configure(config: IngressConfig, reload: boolean): void {
    const { clock } = this.host;
    const { pickUp } = this.settings.proxy.sync;
    if (reload) {
      this.locations = config.locations;
      this.retireWorkers();
    }
    this.told = config;
    // The workers' timers run from their start, and what is posted waits for the next turn.
    const turn = pickUp === 0 ? 0 : pickUp - ((clock.now() - this.workersSince) % pickUp);
    clock.after(turn, () => {
      if (this.told !== config) return;
      this.locations = config.locations;
      this.dynamic = config;
    });
  }

  /** SIGTERM, or its preStop hook: it ends when nobody is left, or when the time is over that it gives them. */
  terminate(): void {
    if (this.leaving || this.ended) return;
    const { accepts, keeps } = this.settings.proxy.termination;
    const { clock } = this.host;
    this.leaving = true;
    this.accepting = accepts > 0;
    if (this.held.size === 0 && !this.accepting) this.end();
    else if (keeps === 'reload') this.retireWorkers();
    else {
      const since = clock.now();
      this.acted({ act: 'quit', connections: this.held.size });
      clock.after(keeps, () => {
        if (this.ended) return;
        this.accepting = false;
        const left = [...this.held.values()];
        this.acted({ act: 'terminated', connections: left.length, since });
        for (const held of left) held.close();
        this.end();
      });
    }
  }

  kill(): void {
    this.ended = true;
    for (const held of this.held.values()) {
      held.leave();
      held[Symbol.dispose]();
    }
    this.acted({ act: 'killed', connections: this.held.size });
  }

  request(method: string, path: string, port: number): number | undefined {
    if (port !== this.settings.healthPort) return undefined;
    if (`${method} ${path}` !== 'GET /healthz') return 404;
    return this.told !== undefined && !this.leaving ? 200 : 503;
  }

  private retireWorkers(): void {
    const { clock } = this.host;
    const old = this.generation++;
    const since = clock.now();
    this.workersSince = since;
    const theirs = () => [...this.held.values()].filter(({ group }) => group === old);
    this.acted({ act: this.leaving ? 'quit' : 'reload', connections: theirs().length });
    const { keeps } = this.settings;
    if (keeps === undefined) return;
    clock.after(keeps, () => {
      if (this.ended) return;
      const left = theirs();
      this.acted({ act: 'shutdown', connections: left.length, since });
      for (const held of left) held.close();
    });
  }

  /** The pod that serves a new connection, or the status it is refused with. */
  private choose(routeName: string): ServingPod | number {
    const { random, fabric } = this.host;
    const route = this.dynamic.routes.find(({ name }) => name === routeName);
    const name = route && chooseBackend(route, (total) => random.integer(0, total));
    const endpoints = this.dynamic.backends.find((backend) => backend.name === name)?.endpoints ?? [];
    if (name === undefined || endpoints.length === 0) return 503;
    for (let tries = 0; tries < UPSTREAM_TRIES; tries++) {
      const turn = this.turns.get(name) ?? random.integer(0, endpoints.length);
      const endpoint = endpoints[turn % endpoints.length] as (typeof endpoints)[number];
      this.turns.set(name, (turn + 1) % endpoints.length);
      const pod = fabric.podAt(parseAddress(endpoint.address)) as ServingPod | undefined;
      if (!pod?.node.alive || !pod.listens(endpoint.port)) continue;
      if ((this.ports.get(pod.process) ?? 0) < PORTS_TO_AN_ENDPOINT) return pod;
    }
    return 502;
  }

  private end(): void {
    if (this.ended) return;
    this.ended = true;
    this.host.exit('exited');
  }
}

/** As `ws` words it. */
const answered = (status: number) => `Unexpected server response: ${status}`;
