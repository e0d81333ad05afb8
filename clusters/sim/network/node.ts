import { isDeepStrictEqual } from 'node:util';
import type { Random } from '../../../harness/statistics/random.ts';
import type { NodeRules, ServiceRules } from '../../control-plane/kube-proxy/rules.ts';
import type { MachineNode } from '../../control-plane/machine.ts';
import { Cilium } from './cilium.ts';
import type { Dataplane, NodeContext } from './dataplane.ts';
import { type Address, parseAddress, parseCidr } from './ipv4.ts';
import { Ipvs } from './ipvs.ts';
import { Netfilter } from './netfilter.ts';

/** One modelled node: its addresses, and the dataplane that its packets meet. */
export class SimNode implements NodeContext {
  readonly name: string;
  readonly address: Address;
  /** Grows with each change that could send a packet another way. */
  epoch = 0;
  alive = true;
  dataplane: Dataplane;
  /** Health-check ports and what they answer on /healthz. */
  health: NodeRules['health'] = [];
  /** The rules in force. */
  programmed: NodeRules | undefined;
  private readonly network: Address;
  private readonly mask: number;
  private readonly own: ReadonlySet<Address>;
  private held: ReadonlySet<Address> = new Set();
  private readonly random: Random;
  private readonly loose: boolean;

  constructor(node: MachineNode, options: { random: Random; loose: boolean }) {
    this.name = node.name;
    this.address = parseAddress(node.address);
    const { network, mask } = parseCidr(node.podCidr);
    this.network = network;
    this.mask = mask;
    // The node's own address, its end of the pod network, and loopback.
    this.own = new Set([this.address, network + 1, parseAddress('127.0.0.1')]);
    this.random = options.random;
    this.loose = options.loose;
    this.dataplane = this.netfilter();
  }

  /** Puts new rules in force; true when they differ from the old. What the dataplane tracks survives unless its kind changes. */
  program(rules: NodeRules): boolean {
    if (isDeepStrictEqual(rules, this.programmed)) return false;
    this.programmed = rules;
    this.health = rules.health;
    this.held = new Set(rules.localAddresses.map(parseAddress));
    this.install(rules.rules);
    this.epoch++;
    return true;
  }

  isLocal(address: Address): boolean {
    return this.own.has(address) || this.held.has(address);
  }

  isOwnPod(address: Address): boolean {
    return (address & this.mask) === this.network;
  }

  private install(rules: ServiceRules): void {
    switch (rules.mode) {
      case 'ipvs': {
        const ipvs =
          this.dataplane instanceof Ipvs ? this.dataplane : new Ipvs({ node: this, random: this.random });
        ipvs.program(rules);
        this.dataplane = ipvs;
        return;
      }
      case 'cilium': {
        const cilium =
          this.dataplane instanceof Cilium
            ? this.dataplane
            : new Cilium({ node: this, random: this.random, idle: rules.idle });
        cilium.program(rules);
        this.dataplane = cilium;
        return;
      }
      default: {
        const netfilter = this.dataplane instanceof Netfilter ? this.dataplane : this.netfilter();
        netfilter.program(rules);
        this.dataplane = netfilter;
      }
    }
  }

  private netfilter(): Netfilter {
    return new Netfilter({ node: this, random: this.random, loose: this.loose });
  }
}
