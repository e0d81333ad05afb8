import type { CellResult } from '../../harness/analyses/analyze.ts';
import { formatDuration } from '../../harness/time/duration.ts';
import { finding } from './finding.ts';
import type { Incident } from './incident.ts';

/** Times from the begin of one drain to that of the next. */
function gaps({ history }: CellResult): number[] {
  const begins = history.gateways.filter(({ did }) => did === 'drain').map(({ at }) => at);
  return begins.slice(1).map((at, index) => at - (begins[index] as number));
}

const told = (times: readonly number[]) => times.map(formatDuration).join(', ');

export const mercure: Incident = {
  id: 'mercure',
  reference: 'dunglas/mercure#1216',
  saw: 'in a rolling update of a hub the pods end within seconds of each other, and their subscribers come back as one storm',
  fix: 'a grace period of 660 s, maxSurge 1, maxUnavailable 0 and minReadySeconds 30',
  strategy: 'rolling-update',
  before: {
    axes: {
      pods: '4',
      drain: 'paced',
      drainOver: '10m',
      grace: '660s',
      maxSurge: '1',
      maxUnavailable: '0',
      backoff: '10s',
    },
    finds: (result) =>
      finding(
        `without minReadySeconds the drains of the four pods begin ${told(gaps(result))} after each other, and overlap`,
        gaps(result).length === 3,
        Math.min(...gaps(result)) < 30_000,
      ),
  },
  after: {
    axes: { minReady: '30s' },
    finds: (result) =>
      finding(
        `the drains begin ${told(gaps(result))} after each other; of ten minutes each they overlap all the same`,
        gaps(result).length === 3,
        Math.min(...gaps(result)) >= 30_000,
      ),
  },
};
