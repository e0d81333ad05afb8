import type { CellResult } from '../../harness/analyses/analyze.ts';
import { begun, finding, isWithin, noticed, percent, span } from './finding.ts';
import type { Incident } from './incident.ts';

/** From an edit until its reload: the controller looks at its objects every 3.3 s. */
const UNTIL_RELOAD = 5000;
const afterEdit = (result: CellResult) => noticed(result.ledger.rows, () => begun(result));

export const ingressNginx: Incident = {
  id: 'ingress-nginx',
  reference: 'kubernetes/ingress-nginx#9516',
  saw: "with worker-shutdown-timeout 10s, an edit of another application's Ingress ends all WebSockets half a minute later, and a little later each time",
  fix: 'none there: it is open; a longer worker-shutdown-timeout postpones it',
  strategy: 'ingress-reload',
  before: {
    axes: { pods: '3', backoff: '10s', workerShutdownTimeout: '10s' },
    finds(result) {
      const { dropped, clients } = result.document;
      return finding(
        `${percent(dropped, clients)} are lost ${span(afterEdit(result))} after the edit; that it takes longer each time is not modelled`,
        dropped === clients,
        isWithin(afterEdit(result), 10_000, 10_000 + UNTIL_RELOAD),
      );
    },
  },
  after: {
    axes: { workerShutdownTimeout: '4m' },
    finds(result) {
      const { dropped, clients } = result.document;
      return finding(
        `as many, ${span(afterEdit(result))} after the edit`,
        dropped === clients,
        isWithin(afterEdit(result), 240_000, 240_000 + UNTIL_RELOAD),
      );
    },
  },
};
