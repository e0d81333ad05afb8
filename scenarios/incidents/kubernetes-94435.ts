import type { CellResult } from '../../harness/analyses/analyze.ts';
import { finding, isWithin, noticed, span } from './finding.ts';
import type { Incident } from './incident.ts';

const evicted = ({ history }: CellResult) => history.evictions[0]?.at;

export const kubernetes94435: Incident = {
  id: 'kubernetes-94435',
  reference: 'kubernetes/kubernetes#94435',
  saw: 'pods with a grace period of hours, which a rollout honours, are cut after ten minutes when their node is scaled down',
  fix: 'whoever drains must grant more: a person with kubectl does, and so does a greater --max-graceful-termination-sec',
  strategy: 'node-drain',
  before: {
    axes: {
      pods: '3',
      backoff: '10s',
      heartbeat: '10s',
      grace: '1h',
      drain: 'paced',
      drainOver: '1h',
      by: 'cluster-autoscaler',
    },
    finds(result) {
      const cut = result.ledger.rows.filter(({ cause }) => cause === 'grace-cut');
      const times = noticed(cut, () => evicted(result));
      return finding(
        `${cut.length} connections that would have had up to an hour are cut ${span(times)} after the eviction`,
        cut.length > 0,
        isWithin(times, 600_000, 602_000),
      );
    },
  },
  after: {
    axes: { by: 'kubectl' },
    finds(result) {
      const asked = result.ledger.rows.filter(({ cause }) => cause === 'evicted');
      const times = noticed(asked, () => evicted(result));
      return finding(
        `nobody is cut: the drain closes ${asked.length} connections ${span(times)} after the eviction`,
        result.ledger.rows.every(({ cause }) => cause !== 'grace-cut'),
        times.most > 3_000_000 && times.most <= 3_602_000,
      );
    },
  },
};
