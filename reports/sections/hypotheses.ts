import type { Axes } from '../../harness/contracts/axes.ts';
import { balancerNamed } from '../../harness/platforms/balancers.ts';
import { dataplane } from '../../harness/platforms/dataplanes.ts';
import { releaseBegin } from '../charts/chart-spec.ts';
import type { AnalysedCell } from '../stored/stored-run.ts';

/** What a cell of the 70/30 experiment showed, as far as hypotheses can be told apart by it. */
export interface Fingerprint {
  /** Share of clients whose connection was lost or hung for a while. */
  readonly share: number;
  readonly interval: readonly [number, number];
  /** Seconds from the step to the first loss; for silent losses a heartbeat before the first that noticed. */
  readonly firstLoss: number | null;
  readonly signal: 'silence' | 'reset' | 'close' | 'mixed' | 'none';
  readonly failedOpen: boolean;
  readonly recreated: boolean;
  readonly nodes: number;
  readonly heartbeat: number;
  readonly axes: Axes;
}

export function fingerprint(cell: AnalysedCell): Fingerprint {
  const { header, result } = cell;
  const { document, ledger, history } = result;
  // What the balancer did while it was being set up belongs to no hypothesis.
  const balancers = history.balancers.filter(({ at }) => at >= releaseBegin(cell));
  const signals = new Set(ledger.rows.map(({ showed }) => showed.split(' ')[0]));
  const [only] = signals;
  const first = ledger.rows[0];
  const heartbeat = header.axes.heartbeat / 1000;
  const noticed = document.firstDropMillis === null ? null : document.firstDropMillis / 1000;
  return {
    share: document.droppedShare,
    interval: document.interval,
    firstLoss: noticed === null ? null : first?.showed === 'silence' ? noticed - heartbeat : noticed,
    signal:
      signals.size === 0
        ? 'none'
        : signals.size > 1
          ? 'mixed'
          : only === 'silence' || only === 'reset'
            ? only
            : 'close',
    failedOpen: balancers.some(({ failOpen }) => failOpen),
    recreated: balancers.some(({ recreated }) => recreated === true),
    nodes: header.axes.nodes,
    heartbeat,
    axes: header.axes,
  };
}

/** Whether a fingerprint has what a hypothesis predicts; undefined where the cell cannot tell. */
interface Check {
  readonly predicts: string;
  holds(seen: Fingerprint): boolean | undefined;
}

export interface Hypothesis {
  readonly name: string;
  readonly says: string;
  /** Whether the cell has the settings that it is about. */
  tested(seen: Fingerprint): boolean;
  readonly checks: readonly Check[];
}

/** Within the interval, stretched from 95 % to about 99.9 %: a hypothesis should not fall to chance in one cell of twenty. */
const near = ({ share, interval: [low, high] }: Fingerprint, expected: number) =>
  expected >= share - 1.7 * (share - low) && expected <= share + 1.7 * (high - share);

const isCilium = ({ axes }: Fingerprint) => dataplane(axes.proxy).mode === 'cilium';

/** The hypotheses about the asker's experiment and what each predicts of it (FACTS, "Which mechanism can explain 70/30"). */
export const HYPOTHESES: readonly Hypothesis[] = [
  {
    name: 'H1: externalTrafficPolicy Local, and the balancer fails open',
    says: 'Removing the last endpoint makes the health-check port answer 503 on every node. With no healthy backend a balancer that does not hold flows on unhealthy nodes, as a target pool, spreads over all nodes and hashes established flows again; only those that still reach the pod’s node go on.',
    tested: ({ axes, ...seen }) => {
      const { checks, held, noneHealthy } = balancerNamed(axes.balancer);
      return (
        axes.policy === 'Local' &&
        axes.pods === 1 &&
        checks.Local?.asks === 'health-check-node-port' &&
        held.unhealthy === 'moved' &&
        noneHealthy === 'all' &&
        !isCilium({ axes, ...seen })
      );
    },
    checks: [
      { predicts: 'the balancer reports no healthy backend', holds: ({ failedOpen }) => failedOpen },
      { predicts: 'lost share is 1 − 1/N', holds: (seen) => near(seen, 1 - 1 / seen.nodes) },
      {
        predicts: 'first loss 17–26 s after the change',
        holds: ({ firstLoss }) => (firstLoss === null ? undefined : firstLoss >= 15 && firstLoss <= 28),
      },
      {
        predicts: 'silent (iptables, nftables) or reset (IPVS)',
        holds: ({ signal }) => (signal === 'none' ? undefined : signal === 'silence' || signal === 'reset'),
      },
    ],
  },
  {
    name: 'H2: only flows that were idle for more than 60 s',
    says: 'The balancer forgets a flow after a minute without packets and hashes its next packet as if it were new. Flows that speak more often stay.',
    tested: ({ axes, heartbeat, ...seen }) => {
      const { after, next } = balancerNamed(axes.balancer).idle;
      return (
        axes.policy === 'Local' &&
        after === 60_000 &&
        next === 'moved' &&
        heartbeat > 60 &&
        !isCilium({ axes, heartbeat, ...seen })
      );
    },
    checks: [
      {
        predicts: 'needs a heartbeat slower than 60 s',
        holds: ({ heartbeat, share }) => (share === 0 ? undefined : heartbeat > 60),
      },
      {
        predicts: 'no loss before a minute of idleness',
        holds: ({ firstLoss }) => (firstLoss === null ? undefined : firstLoss >= 58),
      },
    ],
  },
  {
    name: 'H3: the balancer was torn down in the same change',
    says: 'Changing the policy, the session affinity or the ports deletes and recreates the forwarding rule and what is behind it (of a target pool; of others only the ports do); established flows are hashed over all nodes.',
    tested: ({ recreated }) => recreated,
    checks: [
      { predicts: 'the balancer is recreated', holds: ({ recreated }) => recreated },
      {
        predicts: 'clients see resets',
        holds: ({ signal }) => (signal === 'none' ? undefined : signal === 'reset'),
      },
    ],
  },
  {
    name: 'H4: GKE Dataplane V2 (Cilium)',
    says: 'Removing a backend from its last Service deletes it from the backend map, and every established flow with it.',
    tested: isCilium,
    checks: [
      { predicts: 'everything is lost', holds: (seen) => near(seen, 1) },
      {
        predicts: 'within 2 s of the change',
        holds: ({ firstLoss }) => (firstLoss === null ? undefined : firstLoss <= 3),
      },
    ],
  },
  {
    name: 'H5: externalTrafficPolicy Cluster, and the second hop dies',
    says: 'Flows that entered on another node than the pod’s would die, the others live. No rule of iptables, IPVS or Cilium does that: REJECT meets only new connections, and conntrack entries of TCP are never flushed.',
    tested: (seen) => seen.axes.policy === 'Cluster' && seen.axes.pods === 1 && !isCilium(seen),
    checks: [
      {
        predicts: 'lost share is 1 − 1/N under Cluster',
        holds: (seen) => near(seen, 1 - 1 / seen.nodes),
      },
      {
        predicts: 'the balancer stays healthy',
        holds: ({ failedOpen, share }) => (share === 0 ? undefined : !failedOpen),
      },
    ],
  },
];
