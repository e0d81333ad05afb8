import { expect, test } from 'vitest';
import type { AxisTexts } from '../harness/contracts/axes.ts';
import type { Strategy } from '../harness/contracts/scenario.ts';
import { BALANCERS, type BalancerName } from '../harness/platforms/balancers.ts';
import { STRATEGIES } from './index.ts';
import { playOnSim } from './test-play.ts';

const NODES = 3;
/** What becomes of the connections when the Service loses its only pod: the share that is lost, and how they notice. */
type Fate = readonly [share: number, how?: 'silence' | 'reset'];

/**
 * seventy-thirty, by what is documented of each balancer and read of Services: kube-proxy keeps established flows, so
 * that what is lost is what the balancer moves to a node that does not know it, has nobody for, or resets.
 */
const EXPECTED: Readonly<Record<BalancerName, Readonly<Record<'Cluster' | 'Local', Fate>>>> = {
  // Asks kube-proxy (Cluster); all nodes fail (Local), and it hashes the flows over all of them.
  'target-pool': { Cluster: [0], Local: [1 - 1 / NODES, 'silence'] },
  // Would keep them there.
  'target-pool-persistent': { Cluster: [0], Local: [0] },
  // TCP persists on unhealthy backends.
  'backend-service': { Cluster: [0], Local: [0] },
  // The node leaves with its endpoint (Local), and 30 s later nobody is left.
  'backend-service-neg': { Cluster: [0], Local: [1, 'silence'] },
  // Both checks fail, of the node port and of the Service, and unhealthy targets' flows are terminated.
  'nlb-instance': { Cluster: [1, 'reset'], Local: [1, 'reset'] },
  // The pod is deregistered, and keeps its flows while it is healthy.
  'nlb-ip': { Cluster: [0], Local: [0] },
  // All probes fail, and held flows go on.
  azure: { Cluster: [0], Local: [0] },
  // Without an endpoint nobody announces the address, whatever the policy.
  'metallb-l2': { Cluster: [1, 'silence'], Local: [1, 'silence'] },
  'metallb-bgp': { Cluster: [1, 'silence'], Local: [1, 'silence'] },
  'metallb-bgp-resilient': { Cluster: [1, 'silence'], Local: [1, 'silence'] },
  // A client stays with the node that it dialled, whose conntrack holds the flow.
  servicelb: { Cluster: [0], Local: [0] },
};

const cells = (Object.keys(BALANCERS) as BalancerName[]).flatMap((balancer) =>
  (['Cluster', 'Local'] as const).map((policy) => ({ balancer, policy, fate: EXPECTED[balancer][policy] })),
);

test.each(cells)('a Service without endpoints behind $balancer with $policy loses $fate', async (cell) => {
  const { balancer, policy, fate } = cell;
  const [share, how] = fate;
  const { document } = await playOnSim(STRATEGIES['seventy-thirty'] as Strategy, {
    ...{ balancer, policy, nodes: String(NODES), clients: '400' },
  });
  if (share === 0 || share === 1) expect(document.droppedShare).toBe(share);
  else expect(document.droppedShare).toBeCloseTo(share, 1);
  expect(document.silent).toBe(how === 'silence' ? document.dropped : 0);
  expect(document.reset).toBe(how === 'reset' ? document.dropped : 0);
  expect(document.unattributed).toBe(0);
});

test.each<[BalancerName, string, boolean]>([
  ['azure', '3m', false],
  ['azure', '5m', true],
  ['nlb-ip', '5m', false],
  ['nlb-ip', '6m', true],
  ['target-pool', '20m', false],
  ['metallb-bgp-resilient', '20m', false],
])('%s resets who is silent for %s, release or not: %s', async (balancer, heartbeat, resets) => {
  // The node that goes carries nobody.
  const { ledger } = await playOnSim(STRATEGIES['node-churn'] as Strategy, {
    ...{ balancer, heartbeat, policy: 'Local', clients: '20', backoff: '5s' },
  });
  expect(new Set(ledger.rows.map(({ cause }) => cause))).toEqual(new Set(resets ? ['balancer-idle'] : []));
});

const churn = (texts: AxisTexts) =>
  playOnSim(STRATEGIES['node-churn'] as Strategy, {
    ...{ pods: '2', nodes: '6', churn: 'one', clients: '600', heartbeat: '10s', backoff: '10s' },
    ...texts,
  });

test.each<[BalancerName, 'silent' | 'reset']>([
  ['target-pool', 'reset'],
  ['backend-service', 'reset'],
  ['backend-service-neg', 'reset'],
  ['nlb-instance', 'silent'],
  ['azure', 'silent'],
])(
  'a node without pods goes behind %s: with Cluster 1/N of the connections end in %s, with Local none',
  async (balancer, how) => {
    const cluster = await churn({ balancer, policy: 'Cluster' });
    expect(cluster.document.droppedShare).toBeCloseTo(1 / 6, 1);
    expect(cluster.document[how]).toBe(cluster.document.dropped);
    const local = await churn({ balancer, policy: 'Local' });
    expect(local.document.dropped).toBe(0);
  },
);

test('next hops hashed modulo their number lose most when one of six goes and comes back, resilient ones few', async () => {
  const lost = async (balancer: BalancerName) =>
    (await churn({ balancer, policy: 'Cluster', heartbeat: '30s' })).document.droppedShare;
  // Who has the same next hop of six and of five stays: one of six.
  expect(await lost('metallb-bgp')).toBeCloseTo(5 / 6, 1);
  // A sixth with the node, and an even share of the others for the new one.
  expect(await lost('metallb-bgp-resilient')).toBeCloseTo(1 - (5 / 6) ** 2, 1);
});

test.each([
  ['30s', true],
  ['100s', true],
  ['130s', false],
  ['3m', false],
])(
  'an NLB sends new connections to a node for 120 s after its deregistration: deleted after %s, some are lost: %s',
  async (nodeRemovalAfter, some) => {
    const { events } = await churn({ balancer: 'nlb-instance', policy: 'Cluster', nodeRemovalAfter });
    const open = new Set<string>();
    let lost = 0;
    for (const event of events)
      if (event.type === 'open') open.add(event.client);
      else if (event.type === 'closed') open.delete(event.client);
      else if (event.type === 'fate' && !open.has(event.client)) lost++;
    expect(lost > 0).toBe(some);
  },
);
