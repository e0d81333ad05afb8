import type { Axes } from '../../harness/contracts/axes.ts';
import { CommandError } from '../command.ts';
import type { BalancerProgram } from '../control-plane/balancer/balancer-program.ts';
import { MANAGED_BY } from '../kubernetes/lease/names.ts';
import { heeding, type OwnedCommand } from '../kubernetes/lease/owned-command.ts';
import { BalancerBox } from '../netns/fabric/balancer.ts';

/** The label by which sweep finds a container, and the lease that says whether its run still lives. */
export const LEASE_LABEL = 'onedrop.dev/lease';

interface Box {
  readonly container: string;
  readonly address: string;
  readonly rules: BalancerBox;
}

interface BoxOptions {
  readonly lease: string;
  readonly image: string;
  readonly network: string;
  /** Aborted when the run is asked to end. */
  readonly signal?: AbortSignal;
}

/** A node as its container: the name is the same, the address is on the cluster's Docker network. */
export interface NodeContainer {
  readonly name: string;
  readonly address: string;
  /** Its hardware address on that network. */
  readonly mac: string;
}

/** The routing table of a node's mark in a box, and the place of those rules before the local table. */
const tableOf = (number: number) => 1000 + number;
const MARKED_FIRST = 100;
const LOCAL_LAST = 32_700;

/**
 * The passthrough balancer's data path on a Docker network: one container a Service, whose own address is the
 * virtual one, so that Docker keeps it unique and answers ARP for it. What nftables marks leaves for the node of
 * that mark, addressed as it was; the nodes hold the address as a local route without answering ARP for it, as
 * GKE's agent has them, and reply straight to the client.
 */
export class BalancerBoxes implements AsyncDisposable {
  /** Goes on after the run was asked to end. */
  private readonly remove: OwnedCommand;
  /** Does not. */
  private readonly run: OwnedCommand;
  private readonly options: BoxOptions;
  /** Containers that were begun, whatever came of them. */
  private readonly begun: string[] = [];
  private readonly boxes = new Map<string, Promise<Box>>();
  private readonly nodes: (NodeContainer & { readonly number: number })[] = [];

  private constructor(run: OwnedCommand, options: BoxOptions) {
    this.remove = run;
    this.run = heeding(run, options.signal);
    this.options = options;
  }

  /** Prepares the nodes' kernels; `image` must hold nft and ip, as every recent node image does. */
  static async open(
    run: OwnedCommand,
    options: BoxOptions & {
      readonly nodes: readonly NodeContainer[];
      readonly tcpLoose: Axes['tcpLoose'];
    },
  ): Promise<BalancerBoxes> {
    const boxes = new BalancerBoxes(run, options);
    for (const node of options.nodes) boxes.nodes.push({ ...node, number: boxes.nodes.length + 1 });
    await Promise.all(options.nodes.map(({ name }) => boxes.prepare(name, options.tcpLoose)));
    return boxes;
  }

  /** The virtual address of a Service; its container is started the first time. */
  async address(service: string): Promise<string> {
    let box = this.boxes.get(service);
    if (box === undefined) {
      box = this.start(service);
      this.boxes.set(service, box);
    }
    return (await box).address;
  }

  /** Puts programs into force, each in the box of its address. */
  async program(programs: readonly BalancerProgram[]): Promise<void> {
    for (const box of await Promise.all(this.boxes.values()))
      await box.rules.program(programs.filter(({ address }) => address === box.address));
  }

  /** The rulesets with their counters, for people. */
  async counters(): Promise<string> {
    const texts = [];
    for (const { container, rules } of await Promise.all(this.boxes.values()))
      texts.push(`# ${container}\n${await rules.counters()}`);
    return texts.join('\n');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const boxes = (await Promise.allSettled(this.boxes.values())).flatMap((started) =>
      started.status === 'fulfilled' ? started.value : [],
    );
    if (this.begun.length === 0) return;
    await this.remove('docker', ['rm', '--force', '--volumes', ...this.begun]).catch((error) => {
      // One that was interrupted may never have come to be.
      if (!(error instanceof CommandError && /no such container/i.test(error.stderr))) throw error;
    });
    for (const { name } of this.nodes)
      for (const { address } of boxes)
        await this.remove('docker', [
          ...['exec', name, 'ip', 'route', 'delete', 'local', address, 'table', 'local'],
        ]).catch(() => {});
  }

  private async start(service: string): Promise<Box> {
    const { lease, image, network } = this.options;
    const container = `${lease}-balancer-${service}`;
    this.begun.push(container);
    const labels = { ...MANAGED_BY, [LEASE_LABEL]: lease };
    await this.run('docker', [
      'run',
      '--detach',
      '--privileged',
      ...['--name', container, '--network', network],
      ...Object.entries(labels).flatMap(([name, value]) => ['--label', `${name}=${value}`]),
      ...['--entrypoint', 'sleep', image, 'infinity'],
    ]);
    const address = await this.addressOf(container);
    await this.in(container, ['sysctl', '-q', '-w', 'net.ipv4.ip_forward=1', ...straightThrough()]);
    await this.ip(container, [
      // What is marked is forwarded although it is addressed to this very container.
      `rule add pref ${LOCAL_LAST} lookup local`,
      'rule delete pref 0',
      ...this.nodes.flatMap(({ number, address: node, mac }) => [
        // A node holds this container's address as its own and would take its ARP requests for a forgery.
        `neighbour replace ${node} lladdr ${mac} dev eth0 nud permanent`,
        `rule add pref ${MARKED_FIRST} fwmark ${number} lookup ${tableOf(number)}`,
        `route replace default via ${node} dev eth0 table ${tableOf(number)}`,
      ]),
    ]);
    await Promise.all(
      this.nodes.map(({ name }) =>
        this.in(name, ['ip', 'route', 'replace', 'local', address, 'dev', 'eth0', 'table', 'local']),
      ),
    );
    const numbers = new Map(this.nodes.map(({ name, number }) => [name, number]));
    const nft = (args: readonly string[], input = '') => this.in(container, ['nft', ...args], input);
    return { container, address, rules: new BalancerBox((node) => numbers.get(node) ?? 0, 1, nft) };
  }

  /**
   * A node must forward even before its first pod (where the engine has a network of its own, nodes inherit the machine's
   * setting, and only CNI's plugins change it), answer every packet that it rejects (FACTS K), and neither announce nor
   * answer for the virtual address.
   */
  private async prepare(node: string, tcpLoose: Axes['tcpLoose']): Promise<void> {
    await this.in(node, [
      'sysctl',
      '-q',
      '-w',
      'net.ipv4.ip_forward=1',
      'net.ipv4.icmp_ratelimit=0',
      'net.ipv4.conf.eth0.arp_ignore=1',
      'net.ipv4.conf.eth0.arp_announce=2',
      `net.netfilter.nf_conntrack_tcp_loose=${tcpLoose}`,
      ...straightThrough(),
    ]);
  }

  private async addressOf(container: string): Promise<string> {
    const text = await this.run('docker', ['container', 'inspect', container]);
    const [{ NetworkSettings }] = JSON.parse(text) as [
      { NetworkSettings: { Networks: Record<string, { IPAddress: string }> } },
    ];
    return NetworkSettings.Networks[this.options.network]?.IPAddress ?? '';
  }

  private in(container: string, words: readonly string[], input = ''): Promise<string> {
    return this.run('docker', ['exec', '--interactive', container, ...words], { input });
  }

  private async ip(container: string, lines: readonly string[]): Promise<void> {
    await this.in(container, ['ip', '-batch', '-'], `${lines.join('\n')}\n`);
  }
}

/** Replies leave by another way than they came, and a router that sends packets out where they came in must not say so. */
function straightThrough(): string[] {
  return ['all', 'eth0'].flatMap((name) => [
    `net.ipv4.conf.${name}.rp_filter=0`,
    `net.ipv4.conf.${name}.send_redirects=0`,
  ]);
}
