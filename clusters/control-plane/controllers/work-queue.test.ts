import { expect, it } from 'vitest';
import { VirtualClock } from '../../../harness/time/virtual-clock.ts';
import { WorkQueue } from './work-queue.ts';

it('syncs a key once for many wishes, at the earliest time wished for', async () => {
  const clock = new VirtualClock();
  const synced: string[] = [];
  const queue = new WorkQueue(
    clock,
    (key) => synced.push(`${key} ${clock.now()}`),
    () => 10,
  );
  await clock.run(async () => {
    queue.add('a', 500);
    queue.add('a');
    queue.add('a', 20);
    queue.add('b', 15);
    await clock.sleep(1000);
    queue.add('a');
    await clock.sleep(1000);
    queue.add('a');
    queue[Symbol.dispose]();
    await clock.sleep(1000);
  });
  expect(synced).toEqual(['a 10', 'b 15', 'a 1010']);
});
