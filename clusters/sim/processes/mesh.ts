import type { HopEnd, TimedEvent } from '../../../harness/contracts/event.ts';
import type { Random } from '../../../harness/statistics/random.ts';
import type { Clock } from '../../../harness/time/clock.ts';
import { formatDuration, type Millis } from '../../../harness/time/duration.ts';
import { chooseBackend, type IngressEndpoint } from '../../control-plane/ingress/ingress.ts';
import {
  type AgentSettings,
  agentTermination,
  DRAIN_DURATION,
  drainedListeners,
  idleTimeout,
  type MeshConfig,
  type MeshListener,
} from '../../control-plane/mesh/mesh.ts';
import type { Fabric } from '../network/fabric.ts';
import { parseAddress } from '../network/ipv4.ts';
import { Held, type HoldingProxy } from './held-connection.ts';
import {
  type GatewayConnection,
  type ServingPod,
  type SimProcess,
  socketsOf,
  type Welcome,
} from './process.ts';

/** The port that pilot-agent answers the readinessProbe of a proxy on. */
const STATUS_PORT = 15_021;

interface Host {
  readonly clock: Clock;
  readonly fabric: Fabric;
  readonly random: Random;
  record(event: TimedEvent): void;
  exit(why: string): void;
}

/** What one Envoy and the pilot-agent that started it do to the connections it holds. */
abstract class Envoy implements HoldingProxy {
  readonly host: Host;
  protected readonly held = new Map<GatewayConnection, Held>();
  protected isAborted = false;
  private readonly name: string;
  private readonly agent: AgentSettings;
  private terminatedAt: Millis | undefined;

  constructor(name: string, agent: AgentSettings, host: Host) {
    this.name = name;
    this.agent = agent;
    this.host = host;
  }

  /** The downstream side; what the kernel closes when the process ends. */
  get connections(): Iterable<GatewayConnection> {
    return this.held.keys();
  }

  accept(connection: GatewayConnection): void {
    this.held.get(connection)?.begin();
  }

  left(connection: GatewayConnection): void {
    const held = this.held.get(connection);
    if (held === undefined) return;
    this.forget(held);
    held.leave();
  }

  forget(held: Held): void {
    this.held.delete(held.connection);
    held[Symbol.dispose]();
  }

  idled(): void {
    this.tell('the stream idle timeout is over: ends a silent connection', 1, { act: 'idle' });
  }

  /** SIGTERM to pilot-agent. */
  protected terminateAgent(): void {
    if (this.terminatedAt !== undefined || this.isAborted) return;
    this.terminatedAt = this.host.clock.now();
    this.tell('pilot-agent gets SIGTERM and drains Envoy', this.held.size, { kept: true });
    this.ask();
  }

  protected get isTerminating(): boolean {
    return this.terminatedAt !== undefined;
  }

  /** Envoy is gone. */
  protected abstract aborted(): void;

  protected tell(
    did: string,
    connections: number,
    marks: { kept?: true; since?: Millis; act?: HopEnd } = {},
  ): void {
    if (connections > 0) this.host.record({ type: 'hop', hop: this.name, did, connections, ...marks });
  }

  private dropAll(): void {
    const all = [...this.held.values()];
    for (const held of all) {
      this.forget(held);
      held.connection.end();
    }
    // What it takes the process behind to hear of it; an application that then has nobody left may exit.
    this.host.clock.after(1, () => {
      for (const held of all) held.leave();
    });
  }

  private ask(): void {
    if (this.isAborted) return;
    const { clock } = this.host;
    const began = this.terminatedAt as Millis;
    const since = clock.now() - began;
    const next = agentTermination(this.agent, since, this.held.size);
    if (next !== 'abort') {
      clock.after(next.askAfter, () => this.ask());
      return;
    }
    this.isAborted = true;
    const did = `pilot-agent aborts Envoy ${formatDuration(since)} after SIGTERM`;
    this.tell(did, this.held.size, { since: began, act: 'aborted' });
    this.dropAll();
    this.aborted();
  }
}

/**
 * An Istio gateway: the Envoy that clients' connections end at. It draws the cluster by weight for each HTTP stream
 * or TCP connection, and the endpoint as LEAST_REQUEST does (two at random, the one with fewer connections wins).
 * Endpoints that go from its clusters keep the streams they have; a changed listener ends its own after the drain.
 */
export class SimMeshGateway extends Envoy implements SimProcess {
  private readonly port: number;
  private config: MeshConfig | undefined;
  private readonly active = new Map<SimProcess, number>();

  constructor(env: Readonly<Record<string, string>>, agent: AgentSettings, host: Host) {
    super(env.POD_NAME ?? 'istio-ingressgateway', agent, host);
    this.port = Number(env.PORT ?? 8080);
  }

  listens(port: number): boolean {
    return port === this.port && !this.isAborted && this.listener !== undefined;
  }

  upgrade(connection: GatewayConnection, answer: (welcome: Welcome | string) => void): void {
    const { listener } = this;
    const pod = listener && this.choose(listener);
    if (listener === undefined || pod === undefined) {
      answer('Unexpected server response: 503');
      return;
    }
    const options = { idle: idleTimeout(listener), group: listener.chain };
    const held = new Held(this, connection, pod.process, options);
    held.upgrade((welcome) => {
      if (typeof welcome !== 'string') {
        this.held.set(connection, held);
        this.active.set(held.behind, (this.active.get(held.behind) ?? 0) + 1);
      }
      answer(welcome);
    });
  }

  override forget(held: Held): void {
    const wasHeld = this.held.has(held.connection);
    super.forget(held);
    // One whose gateway ended before it answered was never held.
    if (!wasHeld) return;
    this.active.set(held.behind, (this.active.get(held.behind) ?? 1) - 1);
  }

  configureProxy(config: MeshConfig): void {
    const { clock } = this.host;
    const before = this.config;
    this.config = config;
    if (before === undefined) return;
    for (const listener of drainedListeners(before, config)) {
      const theirs = () => [...this.held.values()].filter(({ group }) => group === listener.chain);
      const since = clock.now();
      const drain = formatDuration(DRAIN_DURATION);
      const what = `listener ${listener.port} (${listener.protocol})`;
      this.tell(`${what} changes: its connections are drained for ${drain}`, theirs().length, { kept: true });
      clock.after(DRAIN_DURATION, () => {
        const left = theirs();
        this.tell(`the drain of ${what} is over: ends its connections`, left.length, { since, act: 'drain' });
        for (const held of left) held.close();
      });
    }
  }

  terminate(): void {
    this.terminateAgent();
  }

  kill(why: string): void {
    this.isAborted = true;
    this.tell(`killed: ${why}`, this.held.size, { act: 'ended' });
    for (const held of this.held.values()) held.leave();
  }

  request(method: string, path: string, port: number): number | undefined {
    if (port !== STATUS_PORT) return undefined;
    if (`${method} ${path}` !== 'GET /healthz/ready') return 404;
    return this.config !== undefined && !this.isTerminating ? 200 : 503;
  }

  protected override aborted(): void {
    this.host.exit('exited');
  }

  private get listener(): MeshListener | undefined {
    return this.config?.listeners.find(({ port }) => port === this.port);
  }

  private choose(listener: MeshListener): ServingPod | undefined {
    const { random } = this.host;
    const route = this.config?.routes.find(({ name }) => name === listener.route);
    const name = route && chooseBackend(route, (total) => random.integer(0, total));
    const cluster = this.config?.clusters.find((candidate) => candidate.name === name);
    const pods = (cluster?.endpoints ?? []).flatMap((endpoint) => this.podAt(endpoint) ?? []);
    if (pods.length === 0) return undefined;
    const [one, other] = [random.pick(pods), random.pick(pods)];
    const activeOn = ({ process }: ServingPod) => this.active.get(process) ?? 0;
    return activeOn(other) < activeOn(one) ? other : one;
  }

  private podAt({ address, port }: IngressEndpoint): ServingPod | undefined {
    const pod = this.host.fabric.podAt(parseAddress(address));
    return pod?.node.alive && pod.listens(port) ? (pod as ServingPod) : undefined;
  }
}

/**
 * A pod whose application has an Envoy beside it: every connection to the application goes through the sidecar. A
 * native one gets SIGTERM once the application has exited (KEP-753); what its preStop hook drains until then are
 * listeners, which closes no upgraded stream. A classic one gets SIGTERM when the pod is deleted, as the application
 * does: that one may have an hour to drain, the sidecar ends when its pilot-agent says so, and every connection with
 * it. Its own idle timeouts are no shorter than the gateway's.
 */
export class SimSidecar extends Envoy implements SimProcess {
  private readonly app: SimProcess;
  private readonly isNative: boolean;
  private isStopping = false;
  private isAppDone = false;

  constructor(
    pod: string,
    agent: AgentSettings,
    isNative: boolean,
    host: Host,
    start: (exit: (why: string) => void) => SimProcess,
  ) {
    super(`${pod} istio-proxy`, agent, host);
    this.isNative = isNative;
    this.app = start((why) => this.appExited(why));
  }

  listens(port: number): boolean {
    return !this.isAborted && this.app.listens(port);
  }

  upgrade(connection: GatewayConnection, answer: (welcome: Welcome | string) => void): void {
    if (this.isAppDone) {
      answer('Unexpected server response: 503');
      return;
    }
    const held = new Held(this, connection, this.app, { idle: Number.POSITIVE_INFINITY, group: 0 });
    held.upgrade((welcome) => {
      if (typeof welcome !== 'string') this.held.set(connection, held);
      answer(welcome);
    });
  }

  asked(): Millis {
    return this.app.asked?.() ?? 0;
  }

  terminate(): void {
    this.isStopping = true;
    this.terminateSidecars();
    this.app.terminate();
  }

  terminateSidecars(): void {
    if (!this.isNative) this.terminateAgent();
  }

  kill(why: string): void {
    this.isAborted = true;
    this.app.kill(why);
  }

  /** Probes and the admin port are rewritten or excluded, as Istio does by default. */
  request(method: string, path: string, port: number): number | undefined {
    return this.isAppDone ? undefined : this.app.request(method, path, port);
  }

  protected override aborted(): void {
    if (this.isAppDone) this.host.exit('exited');
  }

  private appExited(why: string): void {
    this.isAppDone = true;
    // Its kernel closes what the application has open, and the sidecar passes that on.
    for (const connection of socketsOf(this.app)) connection.end();
    if (this.isNative && this.isStopping) this.terminateAgent();
    // Without SIGTERM it has crashed and is started again, sidecar or not.
    if (this.isAborted || !this.isTerminating) this.host.exit(why);
  }
}
