import { expect, it } from 'vitest';
import { maxSurge, maxUnavailable, resolveFenceposts } from './fenceposts.ts';

// The numbers of upstream's deployment_util_test.go, TestResolveFenceposts and TestMaxUnavailable.
it.each([
  ['0%', '0%', 0, 0, 1],
  ['39%', '39%', 10, 4, 3],
  [undefined, '39%', 10, 0, 3],
  ['39%', undefined, 10, 4, 0],
  [undefined, undefined, 10, 0, 1],
  ['25%', '25%', 8, 2, 2],
  ['25%', '25%', 1, 1, 0],
  [1, 1, 2, 1, 1],
  ['0%', '1%', 1, 0, 1],
] as const)(
  'maxSurge %s and maxUnavailable %s of %i pods come to %i and %i',
  (surge, unavailable, desired, ...expected) => {
    const resolved = resolveFenceposts(surge, unavailable, desired);
    expect([resolved.surge, resolved.unavailable]).toEqual(expected);
  },
);

const deployment = (
  replicas: number,
  surge: number | string,
  unavailable: number | string,
  type = 'RollingUpdate',
) => ({
  spec: {
    replicas,
    selector: {},
    template: {},
    strategy: { type, rollingUpdate: { maxSurge: surge, maxUnavailable: unavailable } },
  },
});

it.each([
  [10, 5, 5],
  [10, 10, 10],
  [5, 10, 5],
  [10, '50%', 5],
  [10, '100%', 10],
  [0, '50%', 0],
])('of %i replicas, maxUnavailable %s means %i', (replicas, unavailable, expected) => {
  expect(maxUnavailable(deployment(replicas, 0, unavailable))).toBe(expected);
});

it('Recreate knows neither surge nor unavailability', () => {
  expect(maxSurge(deployment(10, 5, 5, 'Recreate'))).toBe(0);
  expect(maxUnavailable(deployment(10, 5, 5, 'Recreate'))).toBe(0);
});
