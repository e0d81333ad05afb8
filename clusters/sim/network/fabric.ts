import type { Verdict } from '../../../harness/contracts/event.ts';
import type { Random } from '../../../harness/statistics/random.ts';
import type { Millis } from '../../../harness/time/duration.ts';
import type { BalancerProgram } from '../../control-plane/balancer/balancer-program.ts';
import type { NodeRules } from '../../control-plane/kube-proxy/rules.ts';
import type { MachineNode } from '../../control-plane/machine.ts';
import { Frontend, type Target } from './balancer.ts';
import { type Entrance, Flow } from './flow.ts';
import { type Address, endpointKey, formatAddress, parseAddress } from './ipv4.ts';
import { SimNode } from './node.ts';
import type { Packet, PacketKind } from './packet.ts';
import type { PodEnd } from './pod-end.ts';

/** How a packet fared. */
export type Delivery = 'delivered' | Verdict;

/** Where a balancer's own handshakes come from: an address next to those of the nodes, that no node has. */
const PROBER = parseAddress('172.18.0.2');
const PROBES = { least: 32_768, count: 28_232 } as const;

/** More hops than any path here has; beyond them a packet's time to live is over. */
const HOPS = 6;

/**
 * The network between clients and pods: balancer, nodes, pods and the way back, with direct server return and without
 * latency. It knows no kind of loss: a packet is handed from hop to hop until one keeps it.
 */
export class Fabric {
  /** Grows with every change of anything; a flow that has seen it needs no look at its own path. */
  epoch = 0;
  /** After an undelivered packet: the hop that decided, why, and whether a RST reached the sender. */
  decidedBy = '';
  reason = '';
  resetSeen = false;
  /** Whose entry of the flow the walk found timed out for want of packets, which sent the packet another way. */
  forgot: 'balancer' | 'node' | undefined;
  /** Full walks so far, for benches. */
  walks = 0;
  private probes = 0;
  private readonly random: Random;
  private readonly loose: boolean;
  /** Those that are gone as well: whatever is still sent to them is lost there. */
  private readonly nodes = new Map<string, SimNode>();
  private readonly nodesByAddress = new Map<Address, SimNode>();
  private readonly pods = new Map<Address, PodEnd>();
  private readonly frontends = new Map<number, Frontend>();
  private readonly packet: Packet = {
    source: 0,
    sourcePort: 0,
    destination: 0,
    destinationPort: 0,
    kind: 'data',
    mark: 0,
  };
  /** The nodes that the walk under way has come through, without repetition. */
  private readonly hops: SimNode[] = [];

  /** `loose`: nf_conntrack_tcp_loose on every node. */
  constructor(options: { random: Random; loose: boolean }) {
    this.random = options.random;
    this.loose = options.loose;
  }

  /** The node by which the last packet came in. */
  get entered(): string | undefined {
    return this.hops[0]?.name;
  }

  addNode(node: MachineNode): SimNode {
    const made = new SimNode(node, { random: this.random.fork(node.name), loose: this.loose });
    this.nodes.set(node.name, made);
    this.nodesByAddress.set(made.address, made);
    // One that comes back under its name is a backend still where the one before was.
    for (const frontend of this.frontends.values())
      if (frontend.program?.backends.some((backend) => backend.node === node.name))
        frontend.set(frontend.program, this.named);
    this.epoch++;
    return made;
  }

  /** The node and its conntrack table are gone; nobody is told. */
  removeNode(name: string): void {
    const node = this.nodes.get(name);
    if (node === undefined) return;
    node.alive = false;
    node.epoch++;
    this.epoch++;
  }

  /** A node that is there. */
  node(name: string): SimNode | undefined {
    const node = this.nodes.get(name);
    return node?.alive ? node : undefined;
  }

  /** What each node and the balancer were last programmed with, for people. */
  describe(): unknown {
    const nodes = [...this.nodes.values()]
      .filter(({ alive }) => alive)
      .map(({ name, programmed }) => ({ name, programmed }));
    const balancer = [...this.frontends.values()].flatMap(({ program }) =>
      program === undefined ? [] : [{ ...program, table: `${program.table.length} slots` }],
    );
    return { nodes, balancer };
  }

  programNode(rules: NodeRules): void {
    if (this.nodes.get(rules.node)?.program(rules)) this.epoch++;
  }

  /** Replaces all forwarding rules. */
  programBalancer(programs: readonly BalancerProgram[]): void {
    const wanted = new Map(
      programs.map((program) => [endpointKey(parseAddress(program.address), program.port), program]),
    );
    for (const [key, frontend] of this.frontends)
      if (frontend.program !== undefined && !wanted.has(key)) {
        frontend.set(undefined, this.named);
        this.epoch++;
      }
    for (const [key, program] of wanted) {
      const frontend = this.frontend(key);
      if (frontend.program === program && !frontend.differs(this.named)) continue;
      frontend.set(program, this.named);
      this.epoch++;
    }
  }

  addPod(pod: PodEnd): void {
    this.pods.set(pod.address, pod);
    this.epoch++;
  }

  /** The pod that has this address now. */
  podAt(address: Address): PodEnd | undefined {
    return this.pods.get(address);
  }

  /** The pod's network namespace is torn down; later packets find no such host. */
  removePod(pod: PodEnd): void {
    pod.epoch++;
    if (this.pods.get(pod.address) === pod) this.pods.delete(pod.address);
    this.epoch++;
  }

  /** Forgets all connections of one node (`conntrack -F`). */
  flush(node: string): void {
    const found = this.nodes.get(node);
    if (found === undefined) return;
    found.dataplane.flush();
    found.epoch++;
    this.epoch++;
  }

  /** A connection that a client is about to open. */
  flow(client: Address, clientPort: number, address: Address, port: number): Flow {
    return new Flow(client, clientPort, address, port, this.frontend(endpointKey(address, port)));
  }

  /** A connection that a process in a pod is about to open; its packets meet the rules of the pod's own node first. */
  flowFromPod(pod: Pick<PodEnd, 'address' | 'node'>, podPort: number, address: Address, port: number): Flow {
    const target: Target = { name: pod.node.name, held: 'kept', node: pod.node };
    const entrance: Entrance = {
      epoch: 0,
      idle: Number.POSITIVE_INFINITY,
      program: pod,
      route: () => target,
    };
    return new Flow(pod.address, podPort, address, port, entrance);
  }

  /** Whether a SYN from the balancer itself to a port of a node, or of the pod on it that has this address, is accepted. */
  accepts(target: { node: string; address?: string; port: number }, now: Millis): boolean {
    const node = this.nodes.get(target.node);
    if (node === undefined) return false;
    const address = target.address === undefined ? node.address : parseAddress(target.address);
    const to: Target = { name: node.name, held: 'kept', node };
    const entrance: Entrance = { epoch: 0, idle: 0, program: to, route: () => to };
    const from = PROBES.least + (this.probes++ % PROBES.count);
    const flow = new Flow(PROBER, from, address, target.port, entrance);
    const ok = this.exchange(flow, 'syn', now) === 'delivered';
    // Closed at once, so that no node holds a port for it for long.
    if (ok) this.send(flow, 'reset', now);
    return ok;
  }

  /** A segment from client to server; a SYN that arrives makes the server's half of the connection. */
  send(flow: Flow, kind: PacketKind, now: Millis): Delivery {
    flow.touch();
    flow.forget();
    this.hops.length = 0;
    return this.forth(flow, kind, now);
  }

  /** A segment from server to client, who may be anywhere behind whatever NAT its connection came through. */
  answer(flow: Flow, kind: PacketKind, now: Millis): Delivery {
    if (kind === 'data' && flow.remembers(now, this.epoch)) return 'delivered';
    flow.touch();
    flow.forget();
    this.hops.length = 0;
    return this.back(flow, kind, now);
  }

  /** Data to the server and its answer; the path is remembered until something on it changes or it idles too long. */
  exchange(flow: Flow, kind: PacketKind, now: Millis): Delivery {
    if (flow.remembers(now, this.epoch)) {
      flow.last = now;
      return 'delivered';
    }
    flow.touch();
    flow.forget();
    flow.walk++;
    this.hops.length = 0;
    const there = this.forth(flow, kind, now);
    if (there !== 'delivered') return there;
    const back = this.back(flow, kind === 'syn' ? 'syn-ack' : 'data', now);
    if (back === 'delivered') {
      flow.via = this.hops[0];
      // The handshake's entries change state once more; the first data packet finds the path settled.
      if (kind !== 'syn') flow.remember(this.hops, this.epoch, now);
    }
    return back;
  }

  private readonly named = (name: string): SimNode | undefined => this.nodes.get(name);

  private frontend(key: number): Frontend {
    const known = this.frontends.get(key);
    if (known !== undefined) return known;
    const made = new Frontend();
    this.frontends.set(key, made);
    return made;
  }

  private forth(flow: Flow, kind: PacketKind, now: Millis): Delivery {
    const { tracked, trackedAt } = flow;
    const place = `${formatAddress(flow.address)}:${flow.port}`;
    const idled =
      tracked !== undefined && flow.frontend.program !== undefined && now - trackedAt > flow.frontend.idle;
    const target = flow.frontend.route(flow, kind, now);
    this.resetSeen = false;
    this.forgot =
      idled && kind !== 'syn' && (typeof target === 'string' || target.name !== tracked.name)
        ? 'balancer'
        : undefined;
    if (target === 'reset') {
      this.resetSeen = kind !== 'reset';
      return this.lost('reset', 'balancer', `the balancer resets what it no longer holds for ${place}`);
    }
    if (target === 'nobody')
      return flow.frontend.program === undefined
        ? this.lost('unroutable', 'balancer', `no forwarding rule for ${place}`)
        : this.lost('dropped', 'balancer', `no backend for ${place}`);
    if (target.node === undefined) return this.lost('dropped', target.name, 'the node is gone');
    const { packet } = this;
    packet.source = flow.client;
    packet.sourcePort = flow.clientPort;
    packet.destination = target.pod?.address ?? flow.address;
    packet.destinationPort = target.pod?.port ?? flow.port;
    packet.kind = kind;
    return this.travel(flow, target.node, now);
  }

  private back(flow: Flow, kind: PacketKind, now: Millis): Delivery {
    const { pod } = flow;
    const { packet } = this;
    this.forgot = undefined;
    if (pod === undefined) return this.lost('unroutable', 'pod', 'no pod has accepted this connection');
    packet.source = pod.address;
    packet.sourcePort = flow.podPort;
    packet.destination = flow.peer;
    packet.destinationPort = flow.peerPort;
    packet.kind = kind;
    return this.travel(flow, pod.node, now);
  }

  /** Hands the packet from node to node until somebody keeps it. */
  private travel(flow: Flow, first: SimNode, now: Millis): Delivery {
    const { packet } = this;
    let node = first;
    this.resetSeen = false;
    for (let hop = 0; hop < HOPS; hop++) {
      if (!node.alive) return this.lost('dropped', node.name, 'the node is gone');
      if (!this.hops.includes(node)) this.hops.push(node);
      this.walks++;
      const fate = node.dataplane.receive(packet, flow, now);
      if (node.dataplane.hasExpired) this.forgot ??= 'node';
      if (fate !== 'forward') return this.kept(flow, fate, node);
      const pod = this.pods.get(packet.destination);
      const isHere = pod?.node === node;
      // A client that is itself a pod is reached by way of its node.
      if (packet.destination === flow.client && (isHere || pod === undefined))
        return this.toClient(flow, node);
      if (pod !== undefined && isHere) return this.arrive(flow, pod, now);
      const next =
        pod?.node ?? this.nodesByAddress.get(packet.destination) ?? this.ownerOf(packet.destination);
      if (next === undefined || next === node)
        return this.lost('unroutable', node.name, `no host ${formatAddress(packet.destination)}`);
      node = next;
    }
    return this.lost('unroutable', node.name, 'time to live exceeded');
  }

  private kept(flow: Flow, fate: 'local' | 'reject' | 'drop', node: SimNode): Delivery {
    const { reason } = node.dataplane;
    if (fate === 'drop') return this.lost('dropped', node.name, reason);
    if (fate === 'reject') return this.lost('rejected', node.name, reason);
    // The node answers from its own stack, straight to whom it takes for the sender.
    this.resetSeen = this.packet.source === flow.client && this.packet.kind !== 'reset';
    return this.lost('reset', node.name, reason);
  }

  private arrive(flow: Flow, pod: PodEnd, now: Millis): Delivery {
    const { packet } = this;
    const { source, sourcePort, destinationPort, kind } = packet;
    if (kind === 'syn' && pod.listens(destinationPort)) {
      flow.accept(pod, destinationPort, source, sourcePort);
      return 'delivered';
    }
    if (flow.isServer(pod, destinationPort, source, sourcePort)) return 'delivered';
    // No such connection here: this pod's TCP answers with a RST, which goes back the way it came.
    const from = `${pod.name}:${destinationPort}`;
    if (kind !== 'reset') {
      packet.source = pod.address;
      packet.sourcePort = destinationPort;
      packet.destination = source;
      packet.destinationPort = sourcePort;
      packet.kind = 'reset';
      const seen = this.travel(flow, pod.node, now) === 'delivered';
      this.resetSeen = seen;
    }
    if (kind === 'syn') return this.lost('reset', pod.name, `nothing listens on ${from}`);
    return flow.pod === pod && !flow.isServerOpen
      ? this.lost('reset', pod.name, `${from} has closed this connection`)
      : this.lost('misdelivered', pod.name, `${from} knows no such connection`);
  }

  /** The client's TCP knows its connection by the address it dialled, to which a balancer that rewrote it turns answers back. */
  private toClient(flow: Flow, node: SimNode): Delivery {
    const { source, sourcePort, destinationPort } = this.packet;
    const from = flow.tracked?.pod ?? flow;
    if (source === from.address && sourcePort === from.port && destinationPort === flow.clientPort)
      return 'delivered';
    return this.lost(
      'unroutable',
      node.name,
      `the answer left untranslated, from ${formatAddress(source)}:${sourcePort}`,
    );
  }

  private ownerOf(address: Address): SimNode | undefined {
    for (const node of this.nodes.values()) if (node.isOwnPod(address)) return node;
    return undefined;
  }

  private lost(verdict: Verdict, decidedBy: string, reason: string): Verdict {
    this.decidedBy = decidedBy;
    this.reason = reason;
    return verdict;
  }
}
