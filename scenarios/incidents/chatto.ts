import { finding, isAbout, percent } from './finding.ts';
import type { Incident } from './incident.ts';

export const chatto: Incident = {
  id: 'chatto',
  reference: 'chattocorp/chatto#109',
  saw: 'clients lose their pod, come back to another old one, and lose that too: several "Reconnecting..." in one release',
  fix: 'a preStop hook, and clients that leave a server which is older than the last one they met',
  strategy: 'rolling-update',
  before: {
    // What a pod takes to start was not told: less than their hook waits.
    axes: {
      pods: '3',
      podStart: '8s',
      maxSurge: '0',
      maxUnavailable: '1',
      backoff: '10s',
      backoffModel: 'exponential-full-jitter',
    },
    finds({ document: { clients, droppedTwice, disconnectsPerClient, shape } }) {
      const thrice = disconnectsPerClient[3] ?? 0;
      const most = shape?.most ?? 0;
      return finding(
        `${percent(droppedTwice, clients)} are dropped twice or more, ${percent(thrice, clients)} three times; at the end ${percent(most, clients)} are on one of three pods, and one is empty`,
        isAbout(1 / 2, droppedTwice, clients),
        isAbout(1 / 12, thrice, clients),
        isAbout(5 / 8, most, clients),
        shape?.empty === 1,
      );
    },
  },
  after: {
    // Clients that know the version are no axis.
    axes: { preStop: '10s', grace: '60s' },
    finds: ({ document: { clients, droppedTwice, disconnectsPerClient } }) =>
      finding(
        `the hook alone, in whose time the next pod starts: ${percent(droppedTwice, clients)} are dropped twice, ${disconnectsPerClient[3] ?? 0} clients three times`,
        // When the first pod ends, the second is out of the endpoints and its successor in: half of a third meet the last.
        isAbout(1 / 6, droppedTwice, clients),
        (disconnectsPerClient[3] ?? 0) === 0,
      ),
  },
};
