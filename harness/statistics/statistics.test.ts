import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Random } from './random.ts';
import { agreesWithSeeds, differenceInterval, quantiles, sharesAgree, wilsonInterval } from './statistics.ts';

const sample = fc
  .tuple(fc.integer({ min: 1, max: 100_000 }), fc.double({ min: 0, max: 1, noNaN: true }))
  .map(([trials, share]) => ({ trials, successes: Math.round(trials * share) }));

describe('wilsonInterval', () => {
  test("gives the textbook's figures", () => {
    const [low, high] = wilsonInterval(81, 263);
    expect(low).toBeCloseTo(0.2553, 4);
    expect(high).toBeCloseTo(0.3662, 4);
    expect(wilsonInterval(0, 10)[0]).toBe(0);
    expect(wilsonInterval(0, 10)[1]).toBeCloseTo(0.2775, 4);
    expect(wilsonInterval(10, 10)[1]).toBe(1);
  });

  test('knows nothing without trials', () => {
    expect(wilsonInterval(0, 0)).toEqual([0, 1]);
  });

  test('holds the share, stays within 0 and 1 and mirrors', () => {
    fc.assert(
      fc.property(sample, ({ successes, trials }) => {
        const [low, high] = wilsonInterval(successes, trials);
        const share = successes / trials;
        expect(low).toBeGreaterThanOrEqual(0);
        expect(high).toBeLessThanOrEqual(1);
        expect(low).toBeLessThanOrEqual(share + 1e-12);
        expect(high).toBeGreaterThanOrEqual(share - 1e-12);
        expect(1 - wilsonInterval(trials - successes, trials)[1]).toBeCloseTo(low, 9);
      }),
    );
  });
});

describe('differenceInterval', () => {
  test("gives Newcombe's figures", () => {
    const [low, high] = differenceInterval({ successes: 56, trials: 70 }, { successes: 48, trials: 80 });
    expect(low).toBeCloseTo(0.0524, 4);
    expect(high).toBeCloseTo(0.3339, 4);
  });

  test('turns round with its arguments and holds the difference', () => {
    fc.assert(
      fc.property(sample, sample, (first, second) => {
        const [low, high] = differenceInterval(first, second);
        const turned = differenceInterval(second, first);
        expect(-turned[1]).toBeCloseTo(low, 9);
        expect(-turned[0]).toBeCloseTo(high, 9);
        const difference = first.successes / first.trials - second.successes / second.trials;
        expect(low).toBeLessThanOrEqual(difference + 1e-12);
        expect(high).toBeGreaterThanOrEqual(difference - 1e-12);
      }),
    );
  });

  test('tells a share from another only when both samples allow it', () => {
    expect(sharesAgree({ successes: 667, trials: 1000 }, { successes: 1316, trials: 2000 })).toBe(true);
    expect(sharesAgree({ successes: 667, trials: 1000 }, { successes: 1000, trials: 2000 })).toBe(false);
    expect(sharesAgree({ successes: 0, trials: 2000 }, { successes: 0, trials: 2000 })).toBe(true);
    expect(sharesAgree({ successes: 2000, trials: 2000 }, { successes: 0, trials: 2000 })).toBe(false);
    expect(sharesAgree({ successes: 2, trials: 3 }, { successes: 1, trials: 3 })).toBe(true);
  });
});

describe('agreement with the seeds of a prediction', () => {
  const CLIENTS = 1000;
  const random = new Random(7);
  const sample = (share: number) => {
    let successes = 0;
    for (let client = 0; client < CLIENTS; client++)
      if (random.chance(Math.round(1e6 * share), 1_000_000)) successes++;
    return { successes, trials: CLIENTS };
  };
  /** How often one more sample is told from six others of the same course, or courses. */
  const toldApart = (course: () => number, measured = course) => {
    const times = 400;
    let apart = 0;
    for (let time = 0; time < times; time++)
      if (
        !agreesWithSeeds(
          sample(measured()),
          Array.from({ length: 6 }, () => sample(course())),
        )
      )
        apart++;
    return apart / times;
  };

  test('is denied about one time in twenty where nothing differs but chance', () => {
    expect(toldApart(() => 2 / 3)).toBeLessThan(0.08);
  });

  test('is denied no more often where seeds take different courses, of which each sample is one', () => {
    expect(toldApart(() => 0.3 + 0.25 * (random.integer(0, 1000) / 1000))).toBeLessThan(0.1);
  });

  test('is denied where the measured share is none that a seed could give', () => {
    expect(
      toldApart(
        () => 2 / 3,
        () => 0.58,
      ),
    ).toBeGreaterThan(0.9);
    expect(
      toldApart(
        () => 0.3 + 0.25 * (random.integer(0, 1000) / 1000),
        () => 0.9,
      ),
    ).toBeGreaterThan(0.9);
    expect(
      toldApart(
        () => 0,
        () => 0.02,
      ),
    ).toBeGreaterThan(0.9);
  });

  test('of two seeds asks what Student asks of one degree of freedom', () => {
    // Two seeds of 1,000, 30 apart around 500: their variance is 2 x 15^2, and independent clients' is 250.
    const seeds = [485, 515].map((successes) => ({ successes, trials: 1000 }));
    const widening = (450 / 250) * (12.706 / 1.96) ** 2;
    // So far from 500 that Newcombe's interval of a 1,000th and a 2,000th, each divided by the widening, holds 0.
    const fewer = { successes: 1000 / widening, trials: 2000 / widening };
    for (const successes of [560, 590, 600, 610, 620, 625, 630, 640, 660, 700])
      expect(agreesWithSeeds({ successes, trials: 1000 }, seeds)).toBe(
        sharesAgree({ successes: successes / widening, trials: 1000 / widening }, fewer),
      );
  });

  test('is that of two samples where there is one seed', () => {
    expect(agreesWithSeeds({ successes: 667, trials: 1000 }, [{ successes: 1316, trials: 2000 }])).toBe(true);
    expect(agreesWithSeeds({ successes: 667, trials: 1000 }, [{ successes: 1000, trials: 2000 }])).toBe(
      false,
    );
  });
});

describe('quantiles', () => {
  test('are null without values', () => {
    expect(quantiles([])).toBeNull();
  });

  test('are those of the sorted values, whatever their order', () => {
    const values = Array.from({ length: 100 }, (_, index) => ((index * 37) % 100) + 1);
    expect(quantiles(values)).toEqual({ p50: 51, p95: 95, p99: 99, max: 100 });
  });

  test('rise and lie within the values', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 1e6 }), { minLength: 1 }), (values) => {
        const { p50, p95, p99, max } = quantiles(values) as NonNullable<ReturnType<typeof quantiles>>;
        expect(Math.min(...values)).toBeLessThanOrEqual(p50);
        expect(p50).toBeLessThanOrEqual(p95);
        expect(p95).toBeLessThanOrEqual(p99);
        expect(p99).toBeLessThanOrEqual(max);
        expect(max).toBe(Math.max(...values));
      }),
    );
  });
});
