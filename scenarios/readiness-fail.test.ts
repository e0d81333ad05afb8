import { expect, test } from 'vitest';
import { readinessFail } from './readiness-fail.ts';
import { playOnSim } from './test-play.ts';

test('a readiness failure on purpose is noticed after 20 to 30 seconds with the default probe, at another moment for each seed', async () => {
  const noticed: number[] = [];
  for (let seed = 1; seed <= 12; seed++) {
    const { events } = await playOnSim(
      readinessFail,
      { clients: '20', drainOver: '10s', backoff: '10s' },
      seed,
    );
    const begun =
      events.find((event) => event.type === 'step' && event.name === 'v1 fails readiness')?.at ?? Number.NaN;
    const unready = events.find(
      (event) => event.type === 'pod' && event.version === 'v1' && !event.ready && event.at > begun,
    );
    noticed.push((unready?.at ?? Number.NaN) - begun);
  }
  for (const time of noticed) {
    expect(time).toBeGreaterThanOrEqual(20_000);
    expect(time).toBeLessThanOrEqual(30_000);
  }
  expect(Math.max(...noticed) - Math.min(...noticed)).toBeGreaterThan(2000);
});
