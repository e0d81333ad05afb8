import { expect, test } from 'vitest';
import { AXES, type Axes, defaultAxes } from './axes.ts';
import { storedAxes } from './stored-axes.ts';

test.each([
  ['iptables-1.22', { proxy: 'iptables', kubernetes: '1.22' }],
  ['cilium', { proxy: 'cilium-1.12', kubernetes: '1.37' }],
  ['cilium-1.16', { proxy: 'cilium-1.16', kubernetes: '1.37' }],
] as const)('a stored cell of the days when --proxy was %s is read as what that means now', (proxy, now) => {
  expect(storedAxes({ proxy: proxy as Axes['proxy'], clients: 7 })).toEqual(
    defaultAxes({ ...now, podStart: '1s', clients: 7 }),
  );
});

test('a value that was renamed is not taken any more, and those that are get told', () => {
  expect(AXES.proxy.schema.safeParse('cilium').success).toBe(false);
  expect(AXES.proxy.value).toContain('cilium-1.12|cilium-1.13|cilium-1.16|cilium-1.18|cilium-1.19');
});
test('the axes of an older log are those of today: what came later as its default, what went as what replaced it', () => {
  const older = { policy: 'Local', balancer: 'target-pool' } as const;
  const before = { ...older, podStart: '1s' } as const;
  expect(storedAxes(older)).toEqual(defaultAxes(before));
  expect(storedAxes({ ...older, balancerStickiness: 'rehash' })).toEqual(defaultAxes(before));
  expect(storedAxes({ ...older, balancerStickiness: 'persist' })).toEqual(
    defaultAxes({ ...before, balancer: 'target-pool-persistent' }),
  );
  expect(storedAxes({ balancer: 'backend-service', balancerStickiness: 'persist' }).balancer).toBe(
    'backend-service',
  );
});
