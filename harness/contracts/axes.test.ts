import { expect, test } from 'vitest';
import { axesOfLog, defaultAxes } from './axes.ts';

test('the axes of an older log are those of today: what came later as its default, what went as what replaced it', () => {
  const older = { policy: 'Local', balancer: 'target-pool' } as const;
  expect(axesOfLog(older)).toEqual(defaultAxes(older));
  expect(axesOfLog({ ...older, balancerStickiness: 'rehash' })).toEqual(defaultAxes(older));
  expect(axesOfLog({ ...older, balancerStickiness: 'persist' })).toEqual(
    defaultAxes({ policy: 'Local', balancer: 'target-pool-persistent' }),
  );
  expect(axesOfLog({ balancer: 'backend-service', balancerStickiness: 'persist' }).balancer).toBe(
    'backend-service',
  );
});
