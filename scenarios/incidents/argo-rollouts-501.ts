import type { CellResult } from '../../harness/analyses/analyze.ts';
import { begun, finding, isWithin, noticed, percent, span } from './finding.ts';
import type { Incident } from './incident.ts';

const afterSwitch = (result: CellResult) => noticed(result.ledger.rows, () => begun(result));

export const argoRollouts501: Incident = {
  id: 'argo-rollouts-501',
  reference: 'argoproj/argo-rollouts#501',
  saw: 'the pods of blue are gone a second after the switch to green, although they are to be kept for ten minutes',
  fix: 'a delay that is heeded (scaleDownDelayRevisionLimit 2)',
  strategy: 'blue-green',
  before: {
    axes: { pods: '3', backoff: '10s', retire: 'abrupt', blueDelay: '1s' },
    finds(result) {
      const { dropped, clients } = result.document;
      return finding(
        `${percent(dropped, clients)} are lost ${span(afterSwitch(result))} after the switch`,
        dropped === clients,
        isWithin(afterSwitch(result), 1000, 5000),
      );
    },
  },
  after: {
    axes: { blueDelay: '10m' },
    finds(result) {
      const { dropped, clients, lossIn10SecondsShare } = result.document;
      return finding(
        `nobody for ten minutes, and then ${percent(dropped, clients)} within ten seconds: a delay alone postpones the storm`,
        dropped === clients,
        isWithin(afterSwitch(result), 600_000, 605_000),
        lossIn10SecondsShare === 1,
      );
    },
  },
};
