import { begun, finding, isWithin, noticed, percent, span } from './finding.ts';
import type { Incident } from './incident.ts';

export const centrifugo: Incident = {
  id: 'centrifugo',
  reference: 'centrifugal/centrifugo#982',
  saw: 'somebody adds an Ingress for the same host: ingress-nginx reloads, all WebSockets end, and their return is a colossal load',
  fix: 'none there; a proxy that takes in routes without a reload cuts nothing',
  strategy: 'ingress-reload',
  before: {
    axes: { pods: '3', backoff: '10s', reloads: '3', reloadEvery: '1m' },
    finds(result) {
      const { dropped, droppedTwice, clients } = result.document;
      const times = noticed(result.ledger.rows, () => begun(result));
      return finding(
        `three Ingresses within worker-shutdown-timeout cost what one costs: ${percent(dropped, clients)} are lost once, ${span(times)} after the first, ${percent(droppedTwice, clients)} twice`,
        dropped === clients,
        droppedTwice === 0,
        isWithin(times, 240_000, 245_000),
      );
    },
  },
  after: {
    axes: { ingress: 'traefik' },
    finds: ({ document: { dropped } }) => finding(`${dropped} are lost behind Traefik`, dropped === 0),
  },
};
