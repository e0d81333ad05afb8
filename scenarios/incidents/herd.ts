import { finding } from './finding.ts';
import type { Incident } from './incident.ts';

/** One pod, whose clients come back in step every few seconds, each for a tenth of a second of its processor. */
export const HERD: Incident['before'] = {
  axes: {
    pods: '1',
    clients: '500',
    heartbeat: '10s',
    backoffModel: 'fixed',
    backoff: '5s',
    podCpu: '1',
    handshakeCpu: '100ms',
    recoverWithin: '5m',
  },
  finds: ({ document: { capacity, stillAway, clients } }) =>
    finding(
      `the service ${capacity?.outcome}: it does ${capacity?.staleAttempts} handshakes for clients that have left, failed probes restart the pod ${capacity?.fallen.restarted} times, and ${stillAway} of ${clients} are away at the end`,
      capacity?.outcome === 'collapses',
      (capacity?.fallen.restarted ?? 0) > 1,
    ),
};
