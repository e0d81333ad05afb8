import { finding, isAbout, lostWithin, percent } from './finding.ts';
import type { Incident } from './incident.ts';

const PODS = 26;
/** A quarter of them, rounded down: what a Deployment may miss unless it says otherwise. */
const AT_ONCE = Math.floor(PODS / 4);

export const omi: Incident = {
  id: 'omi',
  reference: 'BasedHardware/omi#5518',
  saw: 'a routine restart of 26 pods with the defaults of a Deployment ended every connection; all came back at once, and the service was down for ten hours',
  fix: 'maxUnavailable 1, maxSurge 2, a longer grace period and a preStop hook',
  strategy: 'rolling-update',
  before: {
    // What their login costs was not told: so much is more than the defaults can bear, and less than what their fix can.
    axes: {
      pods: String(PODS),
      nodes: '13',
      backoff: '10s',
      podCpu: '1',
      handshakeCpu: '400ms',
      recoverWithin: '5m',
    },
    finds(result) {
      const { clients, capacity, stillAway } = result.document;
      const first = lostWithin(result, 1000);
      return finding(
        `${percent(first, clients)} are lost in the first second, and the service ${capacity?.outcome}: ${percent(stillAway, clients)} are still away at the end`,
        isAbout(AT_ONCE / PODS, first, clients),
        capacity?.outcome === 'collapses',
      );
    },
  },
  after: {
    axes: { maxUnavailable: '1', maxSurge: '2', grace: '120s', preStop: '15s' },
    finds: ({ document: { capacity, stillAway, droppedTwice, clients } }) =>
      finding(
        `the door ${capacity?.outcome}, and everybody is back; ${percent(droppedTwice, clients)} lose a second pod on their way`,
        capacity?.outcome === 'holds',
        stillAway === 0,
      ),
  },
};
