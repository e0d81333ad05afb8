import type { CellResult } from '../../harness/analyses/analyze.ts';
import { finding } from './finding.ts';
import type { Incident } from './incident.ts';

const SECONDS = 30;
const worst = ({ rates }: CellResult) => rates.disconnects.reduce((most, one) => Math.max(most, one), 0);

export const nervesHub: Incident = {
  id: 'nerves-hub',
  reference: 'nerves-hub/nerves_hub_web#1195',
  saw: 'a deploy ends the 15,000 sockets of an instance together, and they are back within seconds',
  fix: 'sockets are drained on shutdown, 500 a second',
  strategy: 'rolling-update',
  before: {
    axes: { pods: '1', clients: '15000', grace: '60s', backoffModel: 'phoenix' },
    finds: (result) =>
      finding(
        `${worst(result)} connections end in one second, and ${result.document.peakReconnectsPerSecond} come back in one`,
        worst(result) === result.document.clients,
      ),
  },
  after: {
    axes: { drain: 'paced', drainOver: `${SECONDS}s` },
    finds(result) {
      const rate = result.document.clients / SECONDS;
      return finding(
        `at most ${worst(result)} connections end in a second, and ${result.document.peakReconnectsPerSecond} come back`,
        worst(result) >= 0.98 * rate,
        // Who is asked before the nodes' rules have followed comes back to the same pod, and is asked again.
        worst(result) <= 1.5 * rate,
      );
    },
  },
};
