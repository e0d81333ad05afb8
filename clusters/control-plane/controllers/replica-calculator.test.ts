import type { V1Pod } from '@kubernetes/client-node';
import { describe, expect, it } from 'vitest';
import { milliValue } from '../store/quantity.ts';
import {
  averageReplicas,
  type CalculatorInput,
  perPodReplicas,
  type Sample,
  utilizationReplicas,
  valueReplicas,
} from './replica-calculator.ts';

const NOW = 10 * 3_600_000;
/** Upstream's tests run with these instead of the defaults. */
const options = { tolerance: { up: 0.1, down: 0.1 }, cpuInitialization: 120_000, initialReadiness: 10_000 };

interface Shape {
  current: number;
  levels: number[];
  requests?: string[];
  ready?: boolean[];
  phases?: string[];
  deleting?: boolean[];
  /** Pods that have just started. */
  hot?: number[];
}

function input({ current, levels, requests, ready, phases, deleting, hot }: Shape): CalculatorInput {
  const count = Math.max(current, phases?.length ?? 0);
  const pods = Array.from({ length: count }, (_, index): V1Pod => {
    const request = requests === undefined ? '1' : requests[index];
    return {
      metadata: {
        name: `pod-${index}`,
        ...(deleting?.[index] ? { deletionTimestamp: new Date(NOW) } : {}),
      },
      spec: {
        containers: [
          { name: 'c', ...(request === undefined ? {} : { resources: { requests: { cpu: request } } }) },
        ],
      },
      status: {
        phase: phases?.[index] ?? 'Running',
        startTime: new Date(hot?.includes(index) ? NOW - 1000 : 0),
        conditions: [
          {
            type: 'Ready',
            status: (ready?.[index] ?? true) ? 'True' : 'False',
            lastTransitionTime: new Date(hot?.includes(index) ? NOW - 500 : 0),
          },
        ],
      },
    };
  });
  const samples = new Map<string, Sample>(
    levels.map((value, index) => [`pod-${index}`, { value, at: NOW, window: 60_000 }]),
  );
  return { pods, samples, current, now: NOW, options };
}

// The numbers of upstream's replica_calculator_test.go.
describe('CPU utilisation, as upstream calculates it', () => {
  const F = false;
  const T = true;
  it.each<[string, Shape, number, { replicas: number; measured?: number }]>([
    ['scales up', { current: 3, levels: [300, 500, 700] }, 30, { replicas: 5, measured: 50 }],
    [
      'scales up less with an unready pod',
      { current: 3, levels: [300, 500, 700], ready: [F, T, T] },
      30,
      { replicas: 4, measured: 60 },
    ],
    [
      'scales up less with a pod just started',
      { current: 3, levels: [300, 500, 700], hot: [0] },
      30,
      { replicas: 4, measured: 60 },
    ],
    [
      'stays when unready pods would turn it round',
      { current: 3, levels: [400, 500, 700], ready: [T, F, F] },
      30,
      { replicas: 3, measured: 40 },
    ],
    [
      'stays when hot pods would turn it round',
      { current: 3, levels: [400, 500, 700], ready: [T, F, F], hot: [1, 2] },
      30,
      { replicas: 3, measured: 40 },
    ],
    [
      'ignores failed pods',
      {
        current: 2,
        levels: [500, 700],
        ready: [T, T, F, F],
        phases: ['Running', 'Running', 'Failed', 'Failed'],
      },
      30,
      { replicas: 4, measured: 60 },
    ],
    [
      'ignores terminating pods',
      {
        current: 2,
        levels: [500, 700],
        ready: [T, T, F, F],
        phases: Array(4).fill('Running'),
        deleting: [F, F, T, T],
      },
      30,
      { replicas: 4, measured: 60 },
    ],
    ['scales down', { current: 5, levels: [100, 300, 500, 250, 250] }, 50, { replicas: 3, measured: 28 }],
    [
      'leaves unready pods out when it scales down',
      { current: 5, levels: [100, 300, 500, 250, 250], ready: [T, T, T, F, F] },
      50,
      { replicas: 2, measured: 30 },
    ],
    [
      'leaves unscheduled pods out when it scales down',
      {
        current: 5,
        levels: [100],
        ready: [T, F, F, F, F],
        phases: ['Running', 'Pending', 'Pending', 'Pending', 'Pending'],
      },
      50,
      { replicas: 1, measured: 10 },
    ],
    [
      'leaves hot pods out when it scales down',
      { current: 5, levels: [100, 300, 500, 250, 250], hot: [3, 4] },
      50,
      { replicas: 2, measured: 30 },
    ],
    [
      'stays within the tolerance',
      { current: 3, levels: [1010, 1030, 1020], requests: ['0.9', '1.0', '1.1'] },
      100,
      { replicas: 3, measured: 102 },
    ],
    [
      'knows no pod beyond the selector',
      { current: 4, levels: [4000, 9500, 3000, 7000, 3200, 2000] },
      100,
      { replicas: 24, measured: 587 },
    ],
    [
      'takes missing pods for busy ones when it scales down',
      { current: 4, levels: [400, 95] },
      100,
      { replicas: 3, measured: 24 },
    ],
    [
      'stays when a pod is missing: equal',
      { current: 2, levels: [1000] },
      100,
      { replicas: 2, measured: 100 },
    ],
    [
      'stays when a pod is missing: above',
      { current: 2, levels: [1900] },
      100,
      { replicas: 2, measured: 190 },
    ],
    ['stays when a pod is missing: below', { current: 2, levels: [600] }, 100, { replicas: 2, measured: 60 }],
    [
      'stays with one unready and one missing',
      { current: 3, levels: [100, 450], ready: [F, T, T] },
      50,
      { replicas: 3, measured: 45 },
    ],
    [
      'stays with one hot and one missing',
      { current: 3, levels: [100, 450], hot: [0] },
      50,
      { replicas: 3, measured: 45 },
    ],
    [
      'scales up with one unready and one missing',
      { current: 3, levels: [100, 2000], ready: [F, T, T] },
      50,
      { replicas: 4, measured: 200 },
    ],
    [
      'scales up with one hot and one missing',
      { current: 3, levels: [100, 2000], ready: [F, T, T], hot: [0] },
      50,
      { replicas: 4, measured: 200 },
    ],
    [
      'scales down with one unready and one missing',
      { current: 4, levels: [100, 100, 100], ready: [F, T, T, T] },
      50,
      { replicas: 3, measured: 10 },
    ],
    [
      'is not fooled by surge pods',
      { current: 2, levels: [100, 100], phases: Array(3).fill('Running') },
      50,
      { replicas: 2, measured: 10 },
    ],
  ])('%s', (_name, shape, target, expected) => {
    expect(utilizationReplicas(input(shape), 'cpu', target)).toMatchObject(expected);
  });

  it.each<[string, Shape, RegExp]>([
    ['no samples', { current: 4, levels: [] }, /no metrics returned/],
    ['no requests', { current: 1, levels: [200], requests: [] }, /missing request for cpu/],
    ['no pods', { current: 0, levels: [200] }, /finds no pods/],
  ])('cannot say with %s', (_name, shape, failure) => {
    expect(utilizationReplicas(input(shape), 'cpu', 100)).toEqual({
      failure: expect.stringMatching(failure),
    });
  });

  it('cannot say when the samples are of other pods', () => {
    const other = {
      ...input({ current: 1, levels: [] }),
      samples: new Map([['old', { value: 100, at: NOW, window: 1 }]]),
    };
    expect(utilizationReplicas(other, 'cpu', 100)).toEqual({
      failure: expect.stringContaining('matched known pods'),
    });
  });
});

describe('a metric of the pods', () => {
  it.each<[Shape, number, { replicas: number; measured: number }]>([
    [{ current: 3, levels: [20_000, 10_000, 30_000] }, 15_000, { replicas: 4, measured: 20_000 }],
    [
      { current: 3, levels: [50_000, 10_000, 30_000], ready: [true, true, false], hot: [2] },
      15_000,
      { replicas: 6, measured: 30_000 },
    ],
    [
      { current: 3, levels: [50_000, 15_000, 30_000], ready: [false, true, false], hot: [0, 2] },
      15_000,
      { replicas: 7, measured: 31_666 },
    ],
    [
      { current: 5, levels: [12_000, 12_000, 12_000, 12_000, 12_000] },
      20_000,
      { replicas: 3, measured: 12_000 },
    ],
    [{ current: 3, levels: [20_000, 21_000, 21_000] }, 20_000, { replicas: 3, measured: 20_666 }],
  ])('case %#: readiness does not matter', (shape, target, expected) => {
    expect(averageReplicas(input(shape), 'qps', target)).toEqual(expected);
  });
});

describe('Object and External metrics', () => {
  it.each<[Shape, number, number, number]>([
    [{ current: 3, levels: [] }, 20_000, 15_000, 4],
    [{ current: 3, levels: [], ready: [false, true, false] }, 50_000, 10_000, 5],
    [{ current: 3, levels: [], ready: [false, true, false] }, 8600, 4400, 2],
    [{ current: 5, levels: [] }, 12_000, 20_000, 3],
    [{ current: 5, levels: [] }, 8600, 14_334, 3],
    [{ current: 3, levels: [] }, 20_666, 20_000, 3],
    [{ current: 3, levels: [] }, 8600, 8888, 3],
    [{ current: 0, levels: [] }, 20_000, 15_000, 2],
  ])('Value, case %#: only ready pods count', (shape, measured, target, replicas) => {
    expect(valueReplicas(input(shape), measured, target)).toEqual({ replicas, measured });
  });

  it('Value with all pods failing readiness asks for none at all', () => {
    const shape = { current: 3, levels: [], ready: [false, false, false] };
    expect(valueReplicas(input(shape), 50_000, 10_000)).toEqual({ replicas: 0, measured: 50_000 });
  });

  it.each([
    [3, 20_000, 5000, 4, 6667],
    [3, 8600, 2150, 4, 2867],
    [5, 6000, 2000, 3, 1200],
    [5, 8600, 2867, 3, 1720],
    [4, 20_166, 5000, 4, 5042],
    [3, 8600, 2900, 3, 2867],
  ])('AverageValue: %i replicas, %i against %i each', (current, total, target, replicas, measured) => {
    expect(perPodReplicas(current, total, target)).toEqual({ replicas, measured });
  });
});

it('a pod that was ready and later fails readiness on purpose still counts with its CPU', () => {
  const given = input({ current: 2, levels: [900, 900] });
  const [first] = given.pods;
  const status = first?.status as NonNullable<V1Pod['status']>;
  status.conditions = [{ type: 'Ready', status: 'False', lastTransitionTime: new Date(NOW - 60_000) }];
  expect(utilizationReplicas(given, 'cpu', 50)).toEqual({ replicas: 4, measured: 90 });
});

it.each([
  ['100m', 100],
  ['1', 1000],
  ['0.5', 500],
  [2, 2000],
  ['2k', 2_000_000],
  ['1Ki', 1_024_000],
  ['lots', undefined],
  [undefined, undefined],
])('the quantity %s is %s thousandths', (quantity, expected) => {
  expect(milliValue(quantity)).toBe(expected);
});

describe("an autoscaler's own tolerance", () => {
  const asked = (ratio: number, up: number, down: number) =>
    perPodReplicas(10, 1000 * ratio, 100, { ...options, tolerance: { up, down } });

  it.each([
    [1.06, 0.1, 0.1, 10],
    [1.06, 0.05, 0.1, 11],
    [0.89, 0.05, 0.2, 10],
    [0.89, 0.05, 0.05, 9],
  ])('%d of the target, with %d above and %d below, asks for %d of 10', (ratio, up, down, replicas) => {
    expect(asked(ratio, up, down)).toMatchObject({ replicas });
  });
});
