import type { V1EndpointSlice, V1Service } from '@kubernetes/client-node';
import { describe, expect, it } from 'vitest';
import type { Axes } from '../../../harness/contracts/axes.ts';
import { Random } from '../../../harness/statistics/random.ts';
import { nodeAddress, nodeName, podAddress, podCidr, virtualAddress } from '../../control-plane/addresses.ts';
import type { BalancerProgram } from '../../control-plane/balancer/balancer-program.ts';
import { createPool, observe, program } from '../../control-plane/balancer/load-balancer.ts';
import { type Played, played } from '../../control-plane/kube-proxy/kube-proxy.fixture.ts';
import { nodeRules } from '../../control-plane/kube-proxy/kube-proxy.ts';
import type { NodeRules } from '../../control-plane/kube-proxy/rules.ts';
import { Fabric } from './fabric.ts';
import type { Flow } from './flow.ts';
import { parseAddress } from './ipv4.ts';
import type { PodEnd } from './pod-end.ts';

const FLOWS = 900;
const NODES = [1, 2, 3];
const VIP = virtualAddress(0);

/** Three nodes, one pod on node-1, and flows through the balancer: the laboratory of FACTS B7. */
class Laboratory {
  readonly fabric: Fabric;
  readonly flows: Flow[] = [];
  readonly reset = new Set<Flow>();
  now = 0;
  private readonly programmed = new Map<number, NodeRules>();
  private readonly policy: Axes['policy'];
  private readonly proxy: Played;

  constructor(options: { policy: Axes['policy']; proxy?: Played; loose?: boolean }) {
    this.policy = options.policy;
    this.proxy = options.proxy ?? 'iptables';
    this.fabric = new Fabric({ random: new Random(1), loose: options.loose ?? true });
    for (const number of NODES)
      this.fabric.addNode({
        name: nodeName(number),
        number,
        address: nodeAddress(number),
        podCidr: podCidr(number),
      });
    this.addPod('v1', 1, 2);
  }

  addPod(name: string, node: number, number: number): PodEnd {
    const home = this.fabric.node(nodeName(node));
    if (home === undefined) throw new Error('no such node');
    const address = parseAddress(podAddress(node, number));
    const pod = { name, address, node: home, epoch: 0, listens: (port: number) => port === 8080 };
    this.fabric.addPod(pod);
    return pod;
  }

  /** The Service selects these pods, [node, number] each; every node's rules are synced. */
  select(pods: [node: number, number: number][], nodes = NODES): void {
    for (const number of nodes) {
      const previous = this.programmed.get(number);
      const rules = nodeRules({
        services: [service(this.policy)],
        slices: [slice(pods)],
        node: { name: nodeName(number), address: nodeAddress(number), podCidr: podCidr(number) },
        ...played(this.proxy),
        now: this.now,
        ...(previous === undefined ? {} : { previous }),
      });
      this.programmed.set(number, rules);
      this.fabric.programNode(rules);
    }
  }

  /** The nodes keep the balancer's address but have no rule for it. */
  forgetService(nodes: number[]): void {
    for (const number of nodes) {
      const rules = nodeRules({
        services: [],
        slices: [],
        node: { name: nodeName(number), address: nodeAddress(number), podCidr: podCidr(number) },
        ...played(this.proxy),
        now: this.now,
      });
      this.fabric.programNode({ ...rules, localAddresses: [VIP] });
    }
  }

  /** The balancer hears of these nodes that they are healthy, of all others that they are not. */
  balance(healthy: number[], kind: Axes['balancer'] = 'target-pool'): BalancerProgram {
    const config = {
      service: 'gateway',
      address: VIP,
      port: 80,
      kind,
      policy: this.policy,
      affinity: 'None',
      healthCheckPort: 32_000,
      nodePort: 30_080,
      random: new Random(1),
    } as const;
    const members = NODES.map((number) => ({ name: nodeName(number), node: nodeName(number) }));
    let pool = createPool(config, members, 0);
    for (const number of healthy) pool = observe(pool, nodeName(number), true, this.now);
    this.fabric.programBalancer([program(pool)]);
    return program(pool);
  }

  /** All connect. */
  connect(count = FLOWS): this {
    for (let index = 0; index < count; index++) {
      const flow = this.fabric.flow(parseAddress('100.64.0.0') + index, 40_000, parseAddress(VIP), 80);
      expect(this.fabric.exchange(flow, 'syn', this.now)).toBe('delivered');
      this.flows.push(flow);
    }
    return this.wait(1000);
  }

  wait(time: number): this {
    this.now += time;
    return this;
  }

  /** Everybody speaks once; who was reset never speaks again. */
  speak(): { alive: number; hung: number; reset: number } {
    let alive = 0;
    for (const flow of this.flows) {
      if (this.reset.has(flow)) continue;
      if (this.fabric.exchange(flow, 'data', this.now) === 'delivered') alive++;
      else if (this.fabric.resetSeen) this.reset.add(flow);
    }
    return { alive, hung: this.flows.length - alive - this.reset.size, reset: this.reset.size };
  }
}

const service = (policy: Axes['policy']): V1Service => ({
  metadata: { name: 'gateway', namespace: 'default' },
  spec: {
    type: 'LoadBalancer',
    clusterIP: '10.96.100.1',
    externalTrafficPolicy: policy,
    healthCheckNodePort: policy === 'Local' ? 32_000 : 0,
    ports: [{ name: 'ws', port: 80, targetPort: 8080, nodePort: 30_080, protocol: 'TCP' }],
  },
  status: { loadBalancer: { ingress: [{ ip: VIP }] } },
});

const slice = (pods: [node: number, number: number][]): V1EndpointSlice => ({
  apiVersion: 'discovery.k8s.io/v1',
  kind: 'EndpointSlice',
  metadata: {
    name: 'gateway-1',
    namespace: 'default',
    labels: { 'kubernetes.io/service-name': 'gateway' },
  },
  addressType: 'IPv4',
  ports: [{ name: 'ws', port: 8080, protocol: 'TCP' }],
  endpoints: pods.map(([node, number]) => ({
    addresses: [podAddress(node, number)],
    nodeName: nodeName(node),
    conditions: { ready: true, serving: true, terminating: false },
  })),
});

/** A third of the flows, as far as chance allows: four standard deviations of a binomial. */
const aThird = (count: number) => {
  expect(count).toBeGreaterThan(FLOWS / 3 - 4 * Math.sqrt((FLOWS * 2) / 9));
  expect(count).toBeLessThan(FLOWS / 3 + 4 * Math.sqrt((FLOWS * 2) / 9));
};

const POD: [number, number] = [1, 2];

/** All flows on the pod's node, as with Local; or spread over all three. */
function laboratory(options: ConstructorParameters<typeof Laboratory>[0] & { stick?: boolean }): Laboratory {
  const made = new Laboratory(options);
  made.select([POD]);
  made.balance(
    options.policy === 'Local' ? [1] : NODES,
    options.stick ? 'target-pool-persistent' : 'target-pool',
  );
  made.connect();
  expect(made.speak()).toEqual({ alive: FLOWS, hung: 0, reset: 0 });
  return made.wait(1000);
}

describe.each(['iptables', 'iptables@1.22', 'nftables'] as const)(
  'the experiments of FACTS B7 with %s',
  (proxy) => {
    it('E1: with Cluster a flip to no endpoints loses nothing', () => {
      const lab = laboratory({ policy: 'Cluster', proxy });
      lab.select([]);
      expect(lab.speak()).toEqual({ alive: FLOWS, hung: 0, reset: 0 });
    });

    it('E2: with Local nothing is lost as long as the balancer keeps its flows where they are', () => {
      const lab = laboratory({ policy: 'Local', proxy, stick: true });
      lab.select([]);
      lab.balance([], 'target-pool-persistent');
      expect(lab.speak()).toEqual({ alive: FLOWS, hung: 0, reset: 0 });
    });

    it('E3 and E4: with Local a re-hash over all nodes hangs two thirds in silence, and a flip back heals all', () => {
      const lab = laboratory({ policy: 'Local', proxy });
      lab.select([]);
      expect(lab.speak()).toEqual({ alive: FLOWS, hung: 0, reset: 0 });
      lab.balance([]);
      const { alive, hung, reset } = lab.wait(2000).speak();
      aThird(alive);
      expect({ hung, reset }).toEqual({ hung: FLOWS - alive, reset: 0 });

      lab.select([POD]);
      lab.balance([1]);
      expect(lab.wait(5000).speak()).toEqual({ alive: FLOWS, hung: 0, reset: 0 });
    });

    it('E5: with no rule on the other nodes their local stack resets two thirds', () => {
      const lab = laboratory({ policy: 'Local', proxy });
      lab.select([], [1]);
      lab.forgetService([2, 3]);
      lab.balance([]);
      const { alive, hung, reset } = lab.speak();
      aThird(alive);
      expect({ hung, reset }).toEqual({ hung: 0, reset: FLOWS - alive });
    });

    it('E6: nodes without local endpoints drop in silence', () => {
      const lab = laboratory({ policy: 'Local', proxy });
      lab.balance([]);
      const { alive, hung, reset } = lab.speak();
      aThird(alive);
      expect({ hung, reset }).toEqual({ hung: FLOWS - alive, reset: 0 });
    });

    it('E7: with Cluster and endpoints, a flow that enters by another node is translated anew and reset by the pod', () => {
      const lab = new Laboratory({ policy: 'Cluster', proxy });
      lab.select([POD]);
      lab.balance([1]);
      lab.connect();
      lab.speak();
      // Node 1 must lose its health for its flows to be hashed again; with all unhealthy the table spans all.
      lab.balance([]);
      const { alive, hung, reset } = lab.wait(1000).speak();
      aThird(alive);
      expect({ hung, reset }).toEqual({ hung: 0, reset: FLOWS - alive });
    });

    it('E8: without loose pick-up the packets are INVALID, escape the rules and are reset by the local stack', () => {
      const lab = laboratory({ policy: 'Local', proxy, loose: false });
      lab.select([]);
      lab.balance([]);
      const { alive, hung, reset } = lab.speak();
      aThird(alive);
      expect({ hung, reset }).toEqual({ hung: 0, reset: FLOWS - alive });
    });

    it('E10: flushing conntrack after the flip hangs every flow', () => {
      const lab = laboratory({ policy: 'Local', proxy, stick: true });
      lab.select([]);
      lab.balance([], 'target-pool-persistent');
      lab.fabric.flush(nodeName(1));
      expect(lab.speak()).toEqual({ alive: 0, hung: FLOWS, reset: 0 });
    });

    it('refuses new connections once there is no endpoint, in words that name the rule', () => {
      const lab = laboratory({ policy: 'Cluster', proxy });
      lab.select([]);
      const flow = lab.fabric.flow(parseAddress('100.65.0.1'), 40_000, parseAddress(VIP), 80);
      expect(lab.fabric.exchange(flow, 'syn', lab.now)).toBe('rejected');
      expect(lab.fabric.reason).toMatch(/no.endpoint/);
    });
  },
);

describe('what a flow meets on its way', () => {
  it('goes on to the pod through any node with Cluster, by a source port of that node', () => {
    const lab = laboratory({ policy: 'Cluster' });
    const peers = new Set(lab.flows.map((flow) => flow.peer));
    expect(peers).toEqual(new Set(NODES.map((number) => parseAddress(nodeAddress(number)))));
    expect(new Set(lab.flows.map((flow) => `${flow.peer}:${flow.peerPort}`)).size).toBe(FLOWS);
  });

  it('keeps the client’s own address with Local', () => {
    const lab = laboratory({ policy: 'Local' });
    expect(lab.flows.every((flow) => flow.peer === flow.client && flow.peerPort === flow.clientPort)).toBe(
      true,
    );
  });

  it('is reset by a new pod on another node once only that node is healthy', () => {
    const lab = laboratory({ policy: 'Local' });
    lab.addPod('v2', 2, 2);
    lab.select([[2, 2]]);
    lab.balance([2]);
    expect(lab.speak()).toEqual({ alive: 0, hung: 0, reset: FLOWS });
  });

  it('finds no host once the pod is gone, and its node’s death drops it', () => {
    const lab = laboratory({ policy: 'Local' });
    const [flow] = lab.flows as [Flow];
    lab.fabric.removePod(flow.pod as PodEnd);
    expect(lab.fabric.exchange(flow, 'data', lab.now)).toBe('unroutable');
    lab.fabric.removeNode(nodeName(1));
    expect(lab.fabric.exchange(flow, 'data', lab.now)).toBe('dropped');
    expect(lab.fabric.reason).toBe('the node is gone');
  });

  it('is lost at a node without power for as long as the balancer keeps it there, and finds nothing of it afterwards', () => {
    const lab = laboratory({ policy: 'Cluster' });
    const through = lab.flows.filter((flow) => flow.peer === parseAddress(nodeAddress(2)));
    lab.fabric.removeNode(nodeName(2));
    expect(lab.fabric.node(nodeName(2))).toBeUndefined();
    lab.balance([1, 3], 'target-pool-persistent');
    expect(through.map((flow) => lab.fabric.exchange(flow, 'data', lab.now))).toEqual(
      through.map(() => 'dropped'),
    );
    lab.fabric.addNode({
      name: nodeName(2),
      number: 2,
      address: nodeAddress(2),
      podCidr: podCidr(2),
    });
    const [flow] = through as [Flow];
    expect(lab.fabric.exchange(flow, 'data', lab.now)).not.toBe('delivered');
    expect(lab.fabric.reason).not.toBe('the node is gone');
  });

  it('is hashed anew after a minute of silence, also where the balancer persists', () => {
    const lab = laboratory({ policy: 'Local', stick: true });
    lab.select([]);
    lab.balance([], 'target-pool-persistent');
    expect(lab.wait(59_000).speak().alive).toBe(FLOWS);
    const { alive, hung } = lab.wait(60_001).speak();
    aThird(alive);
    expect(hung).toBe(FLOWS - alive);
  });

  it('still hears its server although its own packets no longer arrive', () => {
    const lab = laboratory({ policy: 'Local' });
    lab.select([]);
    lab.balance([]);
    const hung = lab.flows.filter((flow) => lab.fabric.exchange(flow, 'data', lab.now) !== 'delivered');
    expect(hung.length).toBeGreaterThan(0);
    expect(hung.every((flow) => lab.fabric.answer(flow, 'data', lab.now) === 'delivered')).toBe(true);
  });

  it('cannot have more connections through one node to one pod than there are source ports', () => {
    const lab = new Laboratory({ policy: 'Cluster' });
    lab.select([POD]);
    lab.balance([1]);
    let failed = 0;
    for (let index = 0; index < 66_000; index++) {
      const flow = lab.fabric.flow(parseAddress('100.64.0.0') + index, 40_000, parseAddress(VIP), 80);
      if (lab.fabric.exchange(flow, 'syn', 0) !== 'delivered') failed++;
    }
    expect(failed).toBeGreaterThanOrEqual(66_000 - 64_512);
    expect(lab.fabric.reason).toMatch(/no source port/);
  });
});

describe('the dataplanes that are modelled from source', () => {
  it('IPVS keeps established flows through a flip and resets what a re-hash moves', () => {
    const lab = laboratory({ policy: 'Local', proxy: 'ipvs' });
    lab.select([]);
    lab.balance([]);
    const { alive, hung, reset } = lab.speak();
    aThird(alive);
    expect({ hung, reset }).toEqual({ hung: 0, reset: FLOWS - alive });
  });

  it('Cilium loses every flow of a backend that no service refers to', () => {
    for (const policy of ['Cluster', 'Local'] as const) {
      const lab = laboratory({ policy, proxy: 'cilium-1.16' });
      lab.select([]);
      expect(lab.speak().alive).toBe(0);
    }
  });

  it('Cilium sends the flows of a re-selected service to the new pod, which resets them', () => {
    const lab = laboratory({ policy: 'Cluster', proxy: 'cilium-1.16' });
    lab.addPod('v2', 2, 2);
    lab.select([[2, 2]]);
    expect(lab.speak()).toEqual({ alive: 0, hung: 0, reset: FLOWS });
  });
});
