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

test.each([
  ['podCpu', '0.5', 0.5],
  ['podCpu', '500m', 0.5],
  ['podCpu', 'unlimited', undefined],
  ['podMemory', '256Mi', 268_435_456],
  ['podMemory', 'unlimited', undefined],
  ['connectionMemory', '12Ki', 12_288],
  ['connectTimeout', '4s', 4000],
  ['keepalive', '45s', 45_000],
  ['hpaDownPolicy', '1/5m', '1/5m'],
  ['hpaDownPolicy', '10%/1m', '10%/1m'],
  ['hpaTolerance', '2.5%', '2.5%'],
  ['connectTimeout', 'firefox', 20_000],
  ['connectTimeout', 'ws', 127_000],
  ['admission', '40', 40],
  ['admission', 'unlimited', undefined],
] as const)('--%s %s is read as %s and shown as it would be typed', (name, text, value) => {
  const { schema, show } = AXES[name];
  const read = schema.parse(text);
  expect(read).toBe(value);
  expect(schema.parse(show(read as never))).toBe(value);
});

test.each([
  ['podCpu', '0'],
  ['podCpu', '2k'],
  ['podMemory', '256'],
  ['podMemory', '256MB'],
  ['connectionMemory', 'unlimited'],
  ['admission', '-1'],
  ['connectTimeout', 'netscape'],
  ['hpaDownPolicy', '0/5m'],
  ['hpaDownPolicy', '1/2h'],
  ['hpaDownPolicy', '1'],
  ['hpaTolerance', '0.1'],
  ['connectTimeout', '0s'],
] as const)('--%s %s is refused', (name, text) => {
  expect(AXES[name].schema.safeParse(text).success).toBe(false);
});

test('nothing limits a pod unless one says so', () => {
  const { podCpu, podMemory, admission } = defaultAxes();
  expect([podCpu, podMemory, admission]).toEqual([undefined, undefined, undefined]);
});
