import type { V2HorizontalPodAutoscaler, V2HPAScalingRules } from '@kubernetes/client-node';
import { describe, expect, it } from 'vitest';
import {
  type AutoscalerState,
  autoscale,
  newAutoscaler,
  type Proposal,
  scaleDownRules,
  scaleUpRules,
  stabilize,
  withPolicies,
} from './autoscaler.ts';

const NOW = 10 * 3_600_000;

function rules(pods: number, podsPeriod: number, percent: number, percentPeriod: number): V2HPAScalingRules {
  return {
    policies: [
      ...(pods > 0 ? [{ type: 'Pods', value: pods, periodSeconds: podsPeriod }] : []),
      ...(percent > 0 ? [{ type: 'Percent', value: percent, periodSeconds: percentPeriod }] : []),
    ],
  };
}

/** Changes in the middles of equal parts of the last 120 s, as upstream's tests spread them. */
const spread = (changes: number[]) =>
  changes.map((change, index) => {
    const part = 120 / changes.length;
    return { change, at: NOW - Math.trunc(120 - part * (index + 1) + part / 2) * 1000 };
  });

interface Case {
  current: number;
  desired: number;
  least: number;
  most: number;
  up?: V2HPAScalingRules;
  down?: V2HPAScalingRules;
  ups?: number[];
  downs?: number[];
}

// The numbers of upstream's horizontal_test.go, TestScalingWithRules.
describe('scaling policies', () => {
  const wide = { least: 1, most: 1000 };
  it.each<[Case, number, string]>([
    [{ current: 5, desired: 7, least: 3, most: 8 }, 7, 'DesiredWithinRange'],
    [{ current: 3, desired: 1, least: 2, most: 8 }, 2, 'TooFewReplicas'],
    [{ current: 1, desired: 0, least: 0, most: 10 }, 0, 'DesiredWithinRange'],
    [{ current: 20, desired: 1000, least: 1, most: 10 }, 10, 'TooManyReplicas'],
    [{ current: 100, desired: 1000, least: 100, most: 150 }, 150, 'TooManyReplicas'],
    [{ current: 3, desired: 1000, least: 1, most: 2000, up: rules(0, 0, 1, 60) }, 4, 'ScaleUpLimit'],
    [{ current: 1000, desired: 3, least: 3, most: 2000, down: rules(20, 60, 0, 0) }, 980, 'ScaleDownLimit'],
    [{ ...wide, current: 10, desired: 50 }, 20, 'ScaleUpLimit'],
    [{ ...wide, current: 10, desired: 500, up: rules(100, 60, 100, 60) }, 110, 'ScaleUpLimit'],
    [{ ...wide, current: 10, desired: 500, up: rules(2, 60, 100, 60) }, 20, 'ScaleUpLimit'],
    [{ ...wide, current: 10, desired: 50, up: rules(100, 60, 0, 0) }, 50, 'DesiredWithinRange'],
    [{ ...wide, current: 10, desired: 50, up: rules(30, 60, 0, 0) }, 40, 'ScaleUpLimit'],
    [{ ...wide, current: 10, desired: 50, up: rules(0, 0, 200, 60) }, 30, 'ScaleUpLimit'],
    [{ ...wide, current: 100, desired: 2, down: rules(20, 60, 1, 60) }, 80, 'ScaleDownLimit'],
    [{ ...wide, current: 100, desired: 2, down: rules(2, 60, 1, 60) }, 98, 'ScaleDownLimit'],
    [{ ...wide, current: 10, desired: 0, down: rules(100, 60, 0, 0) }, 1, 'TooFewReplicas'],
    [{ ...wide, least: 5, current: 10, desired: 2, down: rules(0, 0, 100, 60) }, 5, 'TooFewReplicas'],
    [{ ...wide, current: 10, desired: 2, down: rules(5, 60, 0, 0) }, 5, 'ScaleDownLimit'],
    [{ ...wide, current: 10, desired: 5, down: rules(0, 0, 50, 60) }, 5, 'DesiredWithinRange'],
    [
      { least: 1, most: 200, current: 100, desired: 500, up: rules(300, 60, 0, 0), ups: [1, 5, 9] },
      200,
      'TooManyReplicas',
    ],
    [{ ...wide, current: 100, desired: 500, up: rules(5, 120, 0, 0), ups: [1, 5, 9] }, 100, 'ScaleUpLimit'],
    [{ ...wide, current: 100, desired: 500, up: rules(150, 120, 0, 0), ups: [1, 5, 9] }, 235, 'ScaleUpLimit'],
    [{ ...wide, current: 100, desired: 500, up: rules(0, 0, 200, 120), ups: [1, 5, 9] }, 255, 'ScaleUpLimit'],
    [
      { ...wide, current: 6, desired: 24, up: rules(0, 0, 300, 300), ups: [4], downs: [2] },
      16,
      'ScaleUpLimit',
    ],
    [{ ...wide, current: 10, desired: 5, downs: [1, 5, 9] }, 5, 'DesiredWithinRange'],
    [
      { ...wide, current: 100, desired: 0, down: rules(115, 120, 0, 0), downs: [1, 5, 9] },
      1,
      'TooFewReplicas',
    ],
    [
      { ...wide, current: 100, desired: 2, down: rules(5, 120, 0, 0), downs: [1, 5, 9] },
      100,
      'ScaleDownLimit',
    ],
    [
      { ...wide, current: 100, desired: 0, down: rules(0, 0, 50, 120), downs: [2, 4, 6] },
      56,
      'ScaleDownLimit',
    ],
    [
      { ...wide, current: 10, desired: 1, down: rules(0, 0, 50, 180), ups: [2], downs: [4] },
      6,
      'ScaleDownLimit',
    ],
    [
      { ...wide, current: 100, desired: 0, down: rules(0, 0, 10, 120), downs: [10, 10, 10] },
      100,
      'ScaleDownLimit',
    ],
    [
      { ...wide, current: 10, desired: 5, down: rules(0, 0, 1000, 120), downs: [10, 10, 10] },
      5,
      'DesiredWithinRange',
    ],
    [
      { ...wide, current: 100, desired: 200, up: rules(1000, 30, 100, 60), ups: [8, 12, 9, 11] },
      200,
      'DesiredWithinRange',
    ],
  ])(
    '%j gives %i, %s',
    ({ current, desired, least, most, up, down, ups = [], downs = [] }, replicas, reason) => {
      const state = { ups: spread(ups), downs: spread(downs) };
      const args = { current, desired, least, most, up: scaleUpRules(up), down: scaleDownRules(down), state };
      expect(withPolicies(args, NOW)).toEqual({ replicas, reason });
    },
  );

  it('Disabled forbids a direction, Min takes the policy that changes least', () => {
    const args = {
      current: 10,
      desired: 100,
      least: 1,
      most: 1000,
      down: scaleDownRules(undefined),
      state: newAutoscaler,
    };
    const up = rules(2, 60, 100, 60);
    expect(
      withPolicies({ ...args, up: scaleUpRules({ ...up, selectPolicy: 'Disabled' }) }, NOW).replicas,
    ).toBe(10);
    expect(withPolicies({ ...args, up: scaleUpRules({ ...up, selectPolicy: 'Min' }) }, NOW).replicas).toBe(
      12,
    );
  });
});

// The numbers of upstream's TestNormalizeDesiredReplicas: [replicas, minutes ago].
describe('stabilisation without behaviour', () => {
  it.each<[[number, number][], number, number]>([
    [[], 5, 5],
    [
      [
        [4, 2],
        [5, 1],
      ],
      3,
      5,
    ],
    [
      [
        [1, 2],
        [2, 1],
      ],
      3,
      3,
    ],
    [
      [
        [10, 10],
        [9, 9],
      ],
      3,
      3,
    ],
    [
      [
        [10, 10],
        [4, 1],
        [5, 2],
        [9, 9],
      ],
      3,
      5,
    ],
  ])('%j and now %i give %i', (before, proposed, expected) => {
    const recommendations = before.map(([replicas, minutes]) => ({ replicas, at: NOW - minutes * 60_000 }));
    expect(stabilize(recommendations, 4, proposed, { up: 0, down: 300_000 }, true, NOW)).toBe(expected);
  });
});

const hpa = (spec: Partial<V2HorizontalPodAutoscaler['spec']> = {}): V2HorizontalPodAutoscaler => ({
  metadata: { name: 'hpa' },
  spec: { minReplicas: 2, maxReplicas: 10, scaleTargetRef: { kind: 'Deployment', name: 'web' }, ...spec },
});
const cpu = (replicas: number): Proposal => ({ metric: 'cpu', calculation: { replicas, measured: 0 } });
const failed: Proposal = { metric: 'qps', calculation: { failure: 'no metrics' } };

describe('one sync', () => {
  const decide = (
    current: number,
    proposals: Proposal[],
    spec = {},
    state: AutoscalerState = newAutoscaler,
  ) => autoscale(hpa(spec), state, current, () => proposals, NOW);

  it('takes the largest proposal', () => {
    expect(decide(3, [cpu(4), cpu(6), cpu(5)])).toMatchObject({ desired: 6, why: 'cpu 0 asks for 6' });
  });

  it('without behaviour at most doubles, or goes to 4', () => {
    expect(decide(3, [cpu(10)])).toMatchObject({ desired: 6, why: expect.stringContaining('ScaleUpLimit') });
    expect(decide(2, [cpu(1)], { minReplicas: 1 }).desired).toBe(2);
  });

  it('goes into its range whatever the metrics say, and leaves a target of none alone', () => {
    const never = () => {
      throw new Error('metrics were asked for');
    };
    expect(autoscale(hpa(), newAutoscaler, 12, never, NOW).desired).toBe(10);
    expect(autoscale(hpa(), newAutoscaler, 1, never, NOW).desired).toBe(2);
    expect(autoscale(hpa(), newAutoscaler, 0, never, NOW).desired).toBe(0);
  });

  it('with some metrics missing scales up by the others, but never down', () => {
    expect(decide(3, [failed, cpu(5)]).desired).toBe(5);
    expect(decide(3, [failed, cpu(2)])).toMatchObject({
      desired: 3,
      why: expect.stringContaining('no metrics'),
    });
    expect(decide(3, [failed]).desired).toBe(3);
  });

  it('scales down only when the highest recommendation of five minutes has passed', () => {
    let state = newAutoscaler;
    let current = 8;
    const desired: number[] = [];
    for (let now = NOW; now <= NOW + 330_000; now += 15_000) {
      const decision = autoscale(hpa(), state, current, () => [cpu(3)], now);
      ({ state, desired: current } = decision);
      desired.push(current);
    }
    expect(desired.indexOf(3) * 15_000).toBe(315_000);
    expect(state.recommendations.length).toBeLessThanOrEqual(21);
  });

  it('with behaviour limits what is added in a period', () => {
    const spec = { maxReplicas: 100, behavior: { scaleUp: rules(2, 60, 0, 0) } };
    let state = newAutoscaler;
    let current = 4;
    const sizes: number[] = [];
    for (let now = NOW; now < NOW + 135_000; now += 15_000) {
      ({ state, desired: current } = autoscale(hpa(spec), state, current, () => [cpu(50)], now));
      sizes.push(current);
    }
    expect(sizes).toEqual([6, 6, 6, 6, 8, 8, 8, 8, 10]);
  });
});
