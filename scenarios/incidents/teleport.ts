import { finding } from './finding.ts';
import type { Incident } from './incident.ts';

export const teleport: Incident = {
  id: 'teleport',
  reference: 'gravitational/teleport#6889',
  saw: 'agents wait for a fixed time without jitter, and all of them reconnect in the same second',
  fix: 'jitter',
  strategy: 'rolling-update',
  before: {
    axes: { pods: '1', drain: 'abrupt', backoff: '10s', backoffModel: 'fixed' },
    finds: ({ document: { clients, peakReconnectsPerSecond: peak, theoreticalPeakPerSecond: theory } }) =>
      finding(
        `${peak} of ${clients} come back in one second, as many as theory has (${theory})`,
        peak === clients,
        theory === clients,
      ),
  },
  after: {
    axes: { backoffModel: 'uniform' },
    finds: ({ document: { clients, peakReconnectsPerSecond: peak, theoreticalPeakPerSecond: theory } }) =>
      finding(
        `${peak} in the worst second, ${theory} by theory`,
        theory === clients / 10,
        peak < (2 * clients) / 10,
      ),
  },
};
