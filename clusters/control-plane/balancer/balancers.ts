import type { Axes } from '../../../harness/contracts/axes.ts';
import type { Millis } from '../../../harness/time/duration.ts';

/** How often a node is asked, and how many bad answers in a row make it unhealthy. */
interface CheckPace {
  readonly interval: Millis;
  readonly unhealthyThreshold: number;
}

/** One kind of balancer as data; the model reads this and never asks which kind it is. */
export interface BalancerEntry {
  /** The check of a Service with externalTrafficPolicy Cluster, and with Local. */
  readonly checks: Readonly<Record<'Cluster' | 'Local', CheckPace>>;
  /** A tracked flow stays on an unhealthy backend; `asked` leaves it to the axis balancerStickiness. */
  readonly persists: 'always' | 'asked';
  /** How long a removed backend keeps its tracked flows. */
  readonly draining: Millis;
}

/** By the value of the axis `balancer`; the checks' constants are GKE's (FACTS A2). */
export const BALANCERS: Readonly<Record<Axes['balancer'], BalancerEntry>> = {
  'target-pool': {
    checks: {
      Cluster: { interval: 8000, unhealthyThreshold: 3 },
      Local: { interval: 8000, unhealthyThreshold: 3 },
    },
    persists: 'asked',
    // FACTS A3.
    draining: 0,
  },
  'backend-service': {
    checks: {
      Cluster: { interval: 8000, unhealthyThreshold: 3 },
      Local: { interval: 3000, unhealthyThreshold: 2 },
    },
    persists: 'always',
    // ingress-gce pkg/l4/backends/backends.go:37.
    draining: 30_000,
  },
};
