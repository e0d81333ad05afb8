import type { V1ContainerStatus, V1Pod } from '@kubernetes/client-node';
import { expect, test } from 'vitest';
import { whyNotReady, whyNotStarting } from './not-starting.ts';

const podWith = (status: Partial<V1ContainerStatus>, ready = false): V1Pod => ({
  metadata: { name: 'gateway-1' },
  status: {
    conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }],
    containerStatuses: [
      { name: 'gateway', image: 'i', imageID: '', ready, restartCount: 0, started: false, ...status },
    ],
  },
});
const loops = (restartCount: number, message?: string): V1Pod =>
  podWith({
    restartCount,
    state: { waiting: { reason: 'CrashLoopBackOff' } },
    lastState: {
      terminated: { exitCode: 3, reason: 'Error', ...(message === undefined ? {} : { message }) },
    },
  });

test('a pod that ends again and again cannot start: its exit code and last words are told', () => {
  expect(whyNotStarting([loops(3, 'no port\n')], 60_000)).toBe(
    'pod gateway-1 cannot start: it has ended 4 times, exit code 3, last words: no port',
  );
  expect(whyNotStarting([loops(3)], 60_000)).toBe(
    'pod gateway-1 cannot start: it has ended 4 times, exit code 3',
  );
  expect(whyNotStarting([loops(3, `\u001b[31m${'x'.repeat(1000)} end`)], 0)).toMatch(/words: x{496} end$/);
});

test('a pod that has ended once or twice, or is on its way, may yet start', () => {
  expect(whyNotStarting([loops(2)], 60_000)).toBeUndefined();
  const creating = podWith({ state: { waiting: { reason: 'ContainerCreating' } } });
  expect(whyNotStarting([creating], 600_000)).toBeUndefined();
});

test('what a kubelet cannot fetch or make is waited for two minutes', () => {
  const pulling = podWith({ state: { waiting: { reason: 'ImagePullBackOff', message: 'no such image' } } });
  expect(whyNotStarting([pulling], 119_000)).toBeUndefined();
  expect(whyNotStarting([pulling], 120_000)).toBe(
    'pod gateway-1 cannot start: ImagePullBackOff no such image',
  );
});

test('pods that are not ready in time say what they do instead', () => {
  const running = podWith({ state: { running: {} } });
  expect(whyNotReady([running, podWith({}, true)])).toBe('pod gateway-1 runs but does not become ready');
  expect(whyNotReady([podWith({}, true)])).toBeUndefined();
  const pending: V1Pod = {
    metadata: { name: 'gateway-2' },
    status: { conditions: [{ type: 'PodScheduled', status: 'False', message: '0/3 nodes are available' }] },
  };
  expect(whyNotReady([pending])).toBe('pod gateway-2 not scheduled: 0/3 nodes are available');
});
