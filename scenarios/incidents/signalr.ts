import { finding } from './finding.ts';
import { HERD } from './herd.ts';
import type { Incident } from './incident.ts';

export const signalr: Incident = {
  id: 'signalr',
  reference: 'SignalR/SignalR#4018',
  saw: 'after a restart all clients reconnect in step, and the server never gets out of the load that this is',
  fix: 'waits that are drawn at random over a longer time',
  strategy: 'rolling-update',
  before: { ...HERD, axes: { ...HERD.axes, backoff: '2s' } },
  after: {
    axes: { backoffModel: 'uniform', backoff: '2m' },
    finds: ({ document: { capacity, clients, timeAway, axes } }) =>
      finding(
        `the door ${capacity?.outcome}: nobody waits for more than ${capacity?.longestWaitMillis} ms, and the last is back after ${Math.round((timeAway?.max ?? 0) / 1000)} s`,
        capacity?.outcome === 'holds',
        (timeAway?.max ?? 0) >= clients * axes.handshakeCpu,
      ),
  },
};
