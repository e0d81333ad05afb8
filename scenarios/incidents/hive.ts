import type { CellResult } from '../../harness/analyses/analyze.ts';
import { finding, isWithin, noticed, sigterm, span } from './finding.ts';
import type { Incident } from './incident.ts';

const afterSigterm = (result: CellResult) =>
  noticed(result.ledger.rows, ({ podBefore }) => sigterm(result, podBefore));

export const hive: Incident = {
  id: 'hive',
  reference: 'hivecommons/hive#5390',
  saw: 'the server handles SIGTERM but not its WebSockets: they die with the process, without a close frame, as if a cable had been pulled',
  fix: 'a close frame 1012 to every client on SIGTERM',
  strategy: 'rolling-update',
  before: {
    axes: { pods: '1', backoff: '10s', drain: 'ignore', grace: '30s' },
    finds(result) {
      const { closed, clients } = result.document;
      const times = afterSigterm(result);
      return finding(
        `${closed} of ${clients} get a close frame; all are lost ${span(times)} after SIGTERM, when the grace period is over`,
        closed === 0,
        isWithin(times, 30_000, 31_000),
      );
    },
  },
  after: {
    axes: { drain: 'close-all' },
    finds(result) {
      const { closed, clients } = result.document;
      const times = afterSigterm(result);
      return finding(
        `${closed} of ${clients} get a close frame, at once; they are lost all the same`,
        closed === clients,
        isWithin(times, 0, 1000),
      );
    },
  },
};
