import { expect, test } from 'vitest';
import type { Stage } from '../harness/contracts/scenario.ts';
import { HarnessError, InterruptedError } from '../harness/errors.ts';
import { cellsOf, interruptedAt } from './test-rollback.ts';
import { bringIn, selecting, serveV1 } from './two-deployments.ts';

/** Plays this as a release, on the simulator. */
async function played(release: (stage: Stage) => Promise<void>, interruptedAfter?: number) {
  const strategy = {
    name: 'some-strategy',
    question: '?',
    needs: [],
    requires: () => [],
    prepare: (stage: Stage) => serveV1(stage),
    release: (stage: Stage) => stage.step('some step', () => release(stage)),
    rollback: async () => {},
  };
  const [cell] = cellsOf(strategy, { clients: '4', pods: '2' });
  if (cell === undefined) throw new Error('no cell');
  const { played: ended } = await interruptedAt(cell, interruptedAfter);
  if (ended.error !== undefined) throw ended.error;
}

const nameOf = ({ metadata }: { metadata?: { name?: string } }) => metadata?.name ?? '';

test('a pod that does not run yet is not among those that do, and cannot be told anything', () =>
  played(async (stage) => {
    await stage.kube.apply(stage.workload.deployment('v2'));
    await stage.until('pods of v2 are made', async () => (await stage.pods('v2')).length === 2);
    expect(await stage.running('v2')).toEqual([]);
    const [early] = await stage.pods('v2');
    expect(await stage.call(nameOf(early ?? {}), '/fail-readiness')).toBe(false);
    await bringIn(stage, 'v2');
    expect(await stage.running('v2')).toHaveLength(2);
    for (const pod of await stage.running('v2'))
      expect(await stage.call(nameOf(pod), '/fail-readiness')).toBe(true);
  }));

test('a pod that has lost its node is passed over, though the API takes it for running at first', () =>
  played(async (stage) => {
    const [lost] = await stage.running('v1');
    await stage.kube.delete('Node', lost?.spec?.nodeName ?? '');
    expect((await stage.running('v1')).map(nameOf)).toContain(nameOf(lost ?? {}));
    expect(await stage.call(nameOf(lost ?? {}), '/drain?over=0&how=close')).toBe(false);
  }));

test('a pod that runs and refuses is an error, which names it and its answer', async () => {
  const calling = played(async (stage) => {
    const [pod] = await stage.running('v1');
    await stage.call(nameOf(pod ?? {}), '/no-such-path');
  });
  await expect(calling).rejects.toThrow(HarnessError);
  await expect(calling).rejects.toThrow(/no-such-path.*404/);
});

test('whoever waits for a load balancer heeds the interruption of the release', async () => {
  let ended: unknown;
  await played(async (stage) => {
    await stage.kube.apply(stage.workload.loadBalancer(selecting('v2'), 'gateway-none'));
    await stage.reachable('gateway-none').catch((error) => {
      ended = error;
    });
  }, 5000);
  expect(ended).toBeInstanceOf(InterruptedError);
});
