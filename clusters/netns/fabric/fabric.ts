import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { HarnessError } from '../../../harness/errors.ts';
import { command } from '../../command.ts';
import { CLIENT_CIDR, NODE_CIDR, podGateway } from '../../control-plane/addresses.ts';
import type { MachineNode } from '../../control-plane/machine.ts';
import { isInside } from '../launcher/inside.ts';
import type { Launcher } from '../launcher/launcher.ts';

/** The client network's own address: where nodes, balancer and clients meet, 'the internet'. */
const ROUTER = '172.18.0.1';
const BALANCER = '172.18.0.2';
/** A gateway that no step touches, for the control clients. */
export const CONTROL_ADDRESS = '172.18.0.3';
export const BALANCER_NAMESPACE = 'balancer';
export const CONTROL_NAMESPACE = 'control';
/** Virtual IPs are 172.18.255.200 and up; whatever is sent to them goes to the balancer. */
const VIRTUAL_CIDR = '172.18.255.192/26';
const BRIDGE = 'internet';
const PREFIX = NODE_CIDR.slice(NODE_CIDR.indexOf('/'));
/** Balancer: the routing table for the packets that carry a node's mark. */
const tableOf = (node: number) => 1000 + node;

/** Says that the mounts of these namespaces are prepared. */
const PREPARED = '/run/onedrop';

/**
 * Replies leave by another way than they came (direct server return), so reverse-path filters and redirects are
 * off; and a node must answer every packet it rejects, so ICMP errors are not rate-limited (FACTS K).
 */
function routerSysctls(interfaces: readonly string[]): Record<string, number> {
  const values: Record<string, number> = { 'net/ipv4/ip_forward': 1, 'net/ipv4/icmp_ratemask': 0 };
  for (const name of ['all', 'default', ...interfaces])
    for (const parameter of ['rp_filter', 'send_redirects', 'accept_redirects'])
      values[`net/ipv4/conf/${name}/${parameter}`] = 0;
  return values;
}

export interface FabricOptions {
  readonly launcher: Launcher;
  /** nf_conntrack_tcp_loose on the nodes. */
  readonly tcpLoose: number;
  /** Model milliseconds a real one. */
  readonly speed: number;
}

/** Linux's least retransmission timeout, TCP_RTO_MIN, in milliseconds. */
const LEAST_RETRANSMISSION = 200;

/**
 * What a route to a peer of a WebSocket says of TCP's own time: the first retransmission comes as early as model
 * time has it, and the doubling after that follows. Delayed acknowledgements (40 ms and more) would then come too
 * late, so there are none.
 */
const scaledTcp = (speed: number) =>
  `quickack 1 rto_min ${Math.max(1, Math.round(LEAST_RETRANSMISSION / speed))}ms`;

/**
 * The network that everything of one cluster is wired to: the harness with all its clients in this process's own
 * namespace, which is also the bridge between balancer, nodes and control gateway; one namespace for each of these
 * and for each pod. Replies go from the node straight back to the client.
 */
export class Fabric implements AsyncDisposable {
  private readonly namespaces = new Set<string>();
  /** Those of them that are plugged into the bridge. */
  private readonly plugged = new Set<string>();
  private readonly launcher: Launcher;
  private readonly tcpLoose: number;
  private readonly tcp: string;

  private constructor({ launcher, tcpLoose, speed }: FabricOptions) {
    this.tcp = scaledTcp(speed);
    this.launcher = launcher;
    this.tcpLoose = tcpLoose;
  }

  /** @throws HarnessError when this process is not inside namespaces of its own, whose network it may change. */
  static async open(options: FabricOptions): Promise<Fabric> {
    if (!isInside()) throw new HarnessError('Cannot build a network here: it needs fresh namespaces');
    await prepareMounts();
    const fabric = new Fabric(options);
    try {
      await fabric.build();
    } catch (error) {
      await fabric[Symbol.asyncDispose]().catch(() => {});
      throw error;
    }
    return fabric;
  }

  private async build(): Promise<void> {
    for (const name of [BALANCER_NAMESPACE, CONTROL_NAMESPACE]) this.namespaces.add(name);
    await this.launcher.ip(undefined, [
      'link set lo up',
      // Its own address, because a bridge otherwise changes it with its ports and the neighbours' tables go stale.
      `link add ${BRIDGE} address 02:00:00:00:00:01 type bridge mcast_snooping 0`,
      `address add ${ROUTER}${PREFIX} dev ${BRIDGE}`,
      `link set ${BRIDGE} up`,
      // The whole range is this host's own: a client can bind any of these addresses without adding it first.
      `route add local ${CLIENT_CIDR} dev lo`,
      `route add ${VIRTUAL_CIDR} via ${BALANCER} ${this.tcp}`,
      ...attach(BALANCER_NAMESPACE),
      ...attach(CONTROL_NAMESPACE),
    ]);
    for (const name of this.namespaces) this.plugged.add(name);
    await Promise.all([
      this.launcher.sysctl(undefined, {
        ...routerSysctls(['lo', BRIDGE]),
        // A server that was slow once must not make later connections to it slower.
        'net/ipv4/tcp_no_metrics_save': 1,
      }),
      this.launcher.ip(BALANCER_NAMESPACE, host(BALANCER)),
      this.launcher.sysctl(BALANCER_NAMESPACE, routerSysctls(['eth0'])),
      this.launcher.ip(CONTROL_NAMESPACE, host(CONTROL_ADDRESS)),
    ]);
  }

  /** Wires a node to the bridge and tells the balancer the way to it. */
  async addNode(node: MachineNode): Promise<void> {
    const { name, number, address, podCidr } = node;
    this.namespaces.add(name);
    await this.launcher.ip(undefined, [...attach(name), `route replace ${podCidr} via ${address}`]);
    this.plugged.add(name);
    await Promise.all([
      this.launcher
        .ip(name, [
          ...host(address),
          `address add ${podGateway(number)}/32 dev lo`,
          // A pod that is gone: the node says so, instead of sending the packet out again.
          `route add unreachable ${podCidr}`,
        ])
        .then(() =>
          this.launcher.sysctl(name, {
            ...routerSysctls(['lo', 'eth0']),
            // kube-proxy's own settings (FACTS B5) and the axis `tcp-loose`.
            'net/netfilter/nf_conntrack_tcp_timeout_established': 86_400,
            'net/netfilter/nf_conntrack_tcp_timeout_close_wait': 3600,
            'net/netfilter/nf_conntrack_tcp_loose': this.tcpLoose,
          }),
        ),
      this.launcher.ip(BALANCER_NAMESPACE, [
        `rule add fwmark ${number} lookup ${tableOf(number)}`,
        `route replace default via ${address} dev eth0 table ${tableOf(number)}`,
      ]),
    ]);
  }

  /**
   * Pulls the node's plug: nothing it or its pods still send gets out. Its namespace goes; what the balancer goes on
   * sending there finds nobody.
   */
  async removeNode(node: MachineNode): Promise<void> {
    await this.launcher.ip(undefined, [`link delete ${node.name}`]);
    this.plugged.delete(node.name);
    this.namespaces.delete(node.name);
    await this.launcher.removeNamespace(node.name);
  }

  /** A namespace for a pod, wired to its node; `pod` is also the interface's name on the node: at most 15 characters. */
  async addPod(pod: string, node: MachineNode, address: string): Promise<void> {
    this.namespaces.add(pod);
    await this.launcher.ip(undefined, [`netns add ${pod}`]);
    const gateway = podGateway(node.number);
    await this.launcher.ip(node.name, [
      `link add ${pod} type veth peer name eth0 netns ${pod}`,
      `link set ${pod} up`,
      `route replace ${address}/32 dev ${pod}`,
    ]);
    await this.launcher.ip(pod, [
      'link set lo up',
      `address add ${address}/32 dev eth0`,
      'link set eth0 up',
      `route add ${gateway} dev eth0`,
      `route add default via ${gateway} ${this.tcp}`,
    ]);
  }

  /** Takes a pod's interface and namespace away; what was in flight is lost. */
  async removePod(pod: string, node: MachineNode): Promise<void> {
    if (this.namespaces.has(node.name)) await this.launcher.ip(node.name, [`link delete ${pod}`]);
    this.namespaces.delete(pod);
    await this.launcher.removeNamespace(pod);
  }

  /** The addresses that the node takes for its own, as GKE's agent adds virtual IPs to the local routing table. */
  async setLocalAddresses(node: string, before: readonly string[], after: readonly string[]): Promise<void> {
    await this.launcher.ip(node, [
      ...before
        .filter((address) => !after.includes(address))
        .map((address) => `route delete local ${address} dev lo`),
      ...after
        .filter((address) => !before.includes(address))
        .map((address) => `route add local ${address} dev lo`),
    ]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // The links first: a namespace that dying processes still hold would keep their names taken.
    await this.launcher.ip(undefined, [
      ...[...this.plugged].map((name) => `link delete ${name}`),
      `link delete ${BRIDGE}`,
      `route delete local ${CLIENT_CIDR} dev lo`,
    ]);
    await Promise.all([...this.namespaces].map((name) => this.launcher.removeNamespace(name)));
  }
}

/** A namespace whose only interface is plugged into the bridge under the namespace's own name. */
const attach = (name: string) => [
  `netns add ${name}`,
  `link add ${name} type veth peer name eth0 netns ${name}`,
  `link set ${name} master ${BRIDGE} up`,
];

const host = (address: string) => [
  'link set lo up',
  `address add ${address}${PREFIX} dev eth0`,
  'link set eth0 up',
  `route add default via ${ROUTER}`,
];

/** A /run of our own, in our own mount namespace: for the names of namespaces and for xtables' lock. */
async function prepareMounts(): Promise<void> {
  if (existsSync(PREPARED)) return;
  await command('mount', ['-t', 'tmpfs', 'tmpfs', '/run']);
  mkdirSync('/run/netns', { recursive: true });
  writeFileSync(PREPARED, '');
}
