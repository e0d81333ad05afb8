import { finding, isWithin, noticed, span, terminating } from './finding.ts';
import type { Incident } from './incident.ts';

export const kubernetes50977: Incident = {
  id: 'kubernetes-50977',
  reference: 'kubernetes/kubernetes#50977',
  saw: 'with externalTrafficPolicy Local clients time out in a rolling update although a preStop hook keeps the old pods alive',
  fix: 'none there; with Cluster the node of a pod that ends stays a backend',
  strategy: 'rolling-update',
  before: {
    axes: {
      policy: 'Local',
      pods: '3',
      nodes: '6',
      backoff: '5s',
      // Short, so that a loss is noticed close to when it happens.
      heartbeat: '2s',
      preStop: '60s',
      grace: '90s',
    },
    finds(result) {
      const times = noticed(result.ledger.rows, ({ podBefore }) => terminating(result, podBefore));
      const { reset, clients } = result.document;
      return finding(
        `${reset} of ${clients} are reset ${span(times)} after their pod leaves the endpoints, while it sleeps for 60 s: the balancer takes its node out`,
        reset === clients,
        // The endpoints, the rules' sync, the failing health checks, a heartbeat and its answer.
        isWithin(times, 16_000, 24_000 + 1000 + 1000 + 2 * 2000),
      );
    },
  },
  after: {
    axes: { policy: 'Cluster' },
    finds(result) {
      const times = noticed(result.ledger.rows, ({ podBefore }) => terminating(result, podBefore));
      const { reset, closed, clients } = result.document;
      return finding(
        `nobody is reset; ${closed} of ${clients} get a close frame from their own gateway, ${span(times)} after it leaves the endpoints`,
        reset === 0,
        closed === clients,
        times.least >= 60_000,
      );
    },
  },
};
