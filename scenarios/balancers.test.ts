import { expect, test } from 'vitest';
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
