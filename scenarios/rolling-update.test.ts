import { expect, test } from 'vitest';
import { rollingUpdate } from './rolling-update.ts';
import { playOnSim } from './test-play.ts';

test('a client that loses two old pods within ten seconds counts once among those lost at once', async () => {
  const { document } = await playOnSim(rollingUpdate, { clients: '500', pods: '4', backoff: '1s' });
  expect(document.disconnects).toBeGreaterThan(document.clients);
  expect(document.lossIn10SecondsShare).toBeLessThanOrEqual(1);
  expect(document.why.join()).not.toMatch(/(10[1-9]|1[1-9]\d) % of the clients/);
});

test('pods that end within one back-off of each other return as theory says, though nothing is paced', async () => {
  const { document } = await playOnSim(rollingUpdate, { pods: '4', backoff: '5s' });
  const theory = document.theoreticalPeakPerSecond as number;
  // At least what one pod's clients return at, and near what was seen: a Poisson stream's busiest second.
  expect(theory).toBeGreaterThan(document.clients / 4 / 5);
  expect(document.peakReconnectsPerSecond).toBeLessThan(theory + 4 * Math.sqrt(theory));
  expect(document.peakReconnectsPerSecond).toBeGreaterThan(0.8 * theory);
});

test('everybody lost at once returns in one second where nothing spreads the waits', async () => {
  const { document } = await playOnSim(rollingUpdate, {
    pods: '1',
    drain: 'abrupt',
    backoff: '10s',
    backoffModel: 'fixed',
  });
  expect(document).toMatchObject({ theoreticalPeakPerSecond: 2000, peakReconnectsPerSecond: 2000 });
});

test('pods that drain over 30 s each return at their own clients over 30 s, together where they overlap', async () => {
  const { document } = await playOnSim(rollingUpdate, {
    pods: '4',
    nodes: '4',
    clients: '6000',
    drain: 'paced',
    drainOver: '30s',
    grace: '60s',
    // Long enough for the nodes to know: who comes back to a pod that drains is in no plan of it.
    backoffModel: 'fixed',
    backoff: '5s',
    // And all new ones are there before the first drains.
    podStart: '8s',
    maxSurge: '100%',
    maxUnavailable: '0',
  });
  const theory = document.theoreticalPeakPerSecond as number;
  expect(theory).toBeGreaterThan(6000 / 4 / 30);
  expect(document.peakReconnectsPer10Seconds / theory).toBeCloseTo(1, 1);
});
