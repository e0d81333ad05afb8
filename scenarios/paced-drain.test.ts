import { expect, test } from 'vitest';
import { pacedDrain } from './paced-drain.ts';
import { playOnSim } from './test-play.ts';

/** N clients asked evenly over D, back evenly within T: the return peaks at N / max(D, T). */
test.each([
  { drainOver: '1m', backoff: '5m', slower: 300 },
  { drainOver: '5m', backoff: '5m', slower: 300 },
  { drainOver: '10m', backoff: '5m', slower: 600 },
])(
  'a drain over $drainOver with a back-off of $backoff returns at N / $slower s at its peak',
  async ({ drainOver, backoff, slower }) => {
    const clients = 6000;
    const { document } = await playOnSim(pacedDrain, { clients: String(clients), drainOver, backoff });
    const law = clients / slower;
    expect(document.theoreticalPeakPerSecond).toBeCloseTo(law, 0);
    // The busiest ten seconds of a Poisson stream of 10 x law arrivals lie a few standard deviations above their mean.
    expect(document.peakReconnectsPer10Seconds).toBeGreaterThan(0.9 * law);
    expect(document.peakReconnectsPer10Seconds).toBeLessThan(law + 5 * Math.sqrt(law / 10));
    expect(document).toMatchObject({ dropped: clients, droppedTwice: 0, landedOnOld: 0, unattributed: 0 });
  },
);
