import type { Axes } from '../../harness/contracts/axes.ts';
import type { ClientAddress, Socket, SocketHandlers } from '../../harness/contracts/connection.ts';
import { clientName, type TimedEvent } from '../../harness/contracts/event.ts';
import { HarnessError } from '../../harness/errors.ts';
import { mix32, type Random } from '../../harness/statistics/random.ts';
import type { Clock } from '../../harness/time/clock.ts';
import type { Millis } from '../../harness/time/duration.ts';
import { addressedAs, CLIENT_CIDR } from '../control-plane/addresses.ts';
import type { BalancerProgram } from '../control-plane/balancer/balancer-program.ts';
import type { NodeRules } from '../control-plane/kube-proxy/rules.ts';
import type { CheckTarget, Machine, MachineNode, PodProcess, PodStart } from '../control-plane/machine.ts';
import { Fabric } from './network/fabric.ts';
import { type Address, parseAddress, parseCidr } from './network/ipv4.ts';
import { type ConnectionHost, SimConnection } from './processes/connection.ts';
import { SimPod } from './processes/pod.ts';

/** A Node.js process whose image is there listens after about a second. */
const BOOT_TIME: Millis = 1000;

/** Linux's net.ipv4.ip_local_port_range. */
const PORTS = { least: 32_768, count: 28_232 } as const;

/** The machine of the simulator: nodes, pods and the network between them as models, in virtual time. */
export class SimMachine implements Machine, ConnectionHost {
  readonly clock: Clock;
  readonly fabric: Fabric;
  readonly record: (event: TimedEvent) => void;
  readonly keepalive: Millis | undefined;
  private readonly axes: Pick<Axes, 'clients' | 'clientsBehind'>;
  private readonly bootTime: Millis;
  private readonly random: Random;
  private readonly pods = new Set<SimPod>();
  private readonly clients = parseCidr(CLIENT_CIDR).network;
  /** How often each client has dialled: every attempt has a port of its own. */
  private readonly dialled: number[] = [];
  /** Makes each seed's clients take other source ports, so that repeats draw other hashes. */
  private readonly portSalt: number;
  private readonly addresses = new Map<string, Address>();

  constructor(options: {
    clock: Clock;
    random: Random;
    axes: Pick<Axes, 'tcpLoose' | 'clients' | 'clientsBehind'> & Partial<Pick<Axes, 'keepalive'>>;
    /** Appends to the log, stamped with the clock's time. */
    record: (event: TimedEvent) => void;
    /** From the start of a pod's process until it listens; 1 s by default. */
    bootTime?: Millis;
  }) {
    this.clock = options.clock;
    this.record = options.record;
    this.axes = options.axes;
    this.keepalive = options.axes.keepalive;
    this.bootTime = options.bootTime ?? BOOT_TIME;
    this.random = options.random.fork('pods');
    this.portSalt = options.random.fork('client-ports').uint32();
    this.fabric = new Fabric({
      random: options.random.fork('fabric'),
      loose: options.axes.tcpLoose === '1',
    });
  }

  async addNode(node: MachineNode): Promise<void> {
    this.fabric.addNode(node);
  }

  async removeNode(name: string): Promise<void> {
    this.fabric.removeNode(name);
    for (const pod of [...this.pods])
      if (pod.node.name === name) {
        this.pods.delete(pod);
        pod.vanish();
      }
  }

  startPod(start: PodStart): PodProcess {
    const { clock, fabric, bootTime, record } = this;
    const node = fabric.node(start.node);
    if (node === undefined)
      throw new HarnessError(`pod ${start.pod.metadata?.name}: node ${start.node} is not there`);
    const exited = (why: string) => {
      this.pods.delete(pod);
      start.exited(why);
    };
    const pod = new SimPod(
      { ...start, started: () => start.started(), exited },
      {
        clock,
        fabric,
        node,
        bootTime,
        record,
        random: this.random.fork(start.pod.metadata?.name ?? ''),
      },
    );
    this.pods.add(pod);
    return pod;
  }

  async programNode(rules: NodeRules): Promise<void> {
    this.fabric.programNode(rules);
  }

  async programBalancer(programs: readonly BalancerProgram[]): Promise<void> {
    this.fabric.programBalancer(programs);
  }

  checkHealth(target: CheckTarget, timeout: Millis, done: (ok: boolean) => void): void {
    const { clock, fabric } = this;
    const found = fabric.node(target.node);
    if (found === undefined) {
      clock.after(timeout, () => done(false));
      return;
    }
    clock.after(0, () =>
      done(
        target.by === 'tcp'
          ? fabric.accepts(target, clock.now())
          : found.health.some((answer) => answer.port === target.port && answer.ok),
      ),
    );
  }

  usage(pod: string): number | undefined {
    return this.pod(pod)?.usage();
  }

  metric(name: string, pod?: string): number | undefined {
    if (pod !== undefined) return this.pod(pod)?.metric(name);
    const values = [...this.pods].flatMap((each) => each.metric(name) ?? []);
    return values.length > 0 ? values.reduce((sum, value) => sum + value) : undefined;
  }

  /**
   * A client of the fleet connects to a balancer's address. It begins at a random port of its address and takes the
   * next one for each attempt, those who share an address taking turns, so no two connections ever share both.
   */
  dial(client: ClientAddress, target: { address: string; port: number }, handlers: SocketHandlers): Socket {
    const { group, number } = client;
    const attempt = this.dialled[number] ?? 0;
    this.dialled[number] = attempt + 1;
    const address = addressedAs(number, this.axes);
    const { clients, clientsBehind = clients } = this.axes;
    const turn = Math.floor(number / clientsBehind) + attempt * Math.ceil(clients / clientsBehind);
    const flow = this.fabric.flow(
      (this.clients + address) | 0,
      PORTS.least + ((mix32(address ^ this.portSalt) + turn) % PORTS.count),
      this.address(target.address),
      target.port,
    );
    return new SimConnection(this, flow, () => clientName(group, number), handlers, client.isSettled);
  }

  private pod(name: string): SimPod | undefined {
    return [...this.pods].find((pod) => pod.name === name);
  }

  private address(text: string): Address {
    const known = this.addresses.get(text) ?? parseAddress(text);
    this.addresses.set(text, known);
    return known;
  }

  /** Nothing outlives the run: the clock stops, and with it all that was scheduled. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.pods.clear();
  }
}
