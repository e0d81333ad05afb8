import { finding } from './finding.ts';
import { HERD } from './herd.ts';
import type { Incident } from './incident.ts';

export const zed: Incident = {
  id: 'zed',
  reference: 'zed-industries/zed#32418',
  saw: 'after a deploy everybody comes back at the same time, and their return kills the service again',
  fix: 'clients are let back in by buckets',
  strategy: 'rolling-update',
  before: HERD,
  after: {
    axes: { admission: '8', recoverWithin: '10m' },
    finds: ({ document: { capacity, clients, timeAway, axes } }) =>
      finding(
        `the door ${capacity?.outcome}: the last is back after ${Math.round((timeAway?.max ?? 0) / 1000)} s, most of which it waits for its turn`,
        capacity?.outcome === 'holds',
        // Nobody can be served sooner than by a processor that never rests.
        (timeAway?.max ?? 0) >= clients * axes.handshakeCpu,
      ),
  },
};
