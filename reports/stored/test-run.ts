import { type Story, testCell, testLog } from '../../harness/analyses/test-log.ts';
import { RunReader, type StoredRun } from './stored-run.ts';

/** Text that would be markup, script or a formula if anything forgot to escape it. */
export const HOSTILE = `</script><img src=x onerror=document.title='owned'>"'=1+1&<blink>\u0000`;

const INFO = {
  id: '20261122-220601-1',
  startedAt: '2026-11-22T22:06:01.000Z',
  command: 'npm run scenario -- rolling-update',
  machine: 'Linux 6.18, 2 x processor, 24 GiB',
  onedrop: '0.1.0',
  commit: '512056c0ffee',
  seed: 7,
};

/** A made-up run for tests: each cell by its header's changes and its story. */
export function testRun(
  cells: readonly (readonly [changes: Parameters<typeof testCell>[0], story: Story | 'skipped'])[],
  info: Partial<typeof INFO> = {},
): StoredRun {
  const reader = new RunReader();
  reader.add({ type: 'run', schema: 1, seed: 7, commit: INFO.commit, versions: { onedrop: '0.1.0' } });
  for (const [changes, story] of cells) {
    const cell = testCell(changes);
    if (story === 'skipped') {
      reader.add({ type: 'skipped', cell, why: 'the cluster does not offer it' });
      continue;
    }
    reader.add({ type: 'cell', cell });
    for (const event of testLog(cell, story)) reader.add(event);
  }
  return reader.result({ ...INFO, ...info });
}

/** Three strategies, one of them skipped, one measured with its prediction. */
export const comparisonRun = (clients = 200): StoredRun =>
  testRun([
    [
      { id: 'rolling-update', strategy: 'rolling-update', question: 'Rolling?', axes: { clients, pods: 3 } },
      'rolling',
    ],
    [
      { id: 'selector-flip', strategy: 'selector-flip', question: 'Flip?', axes: { clients, pods: 3 } },
      'paced',
    ],
    [{ id: 'seventy-thirty@sim', predicts: 'seventy-thirty', axes: { clients: 2 * clients } }, 'fail-open'],
    [
      { id: 'seventy-thirty', seed: 2, cluster: 'netns', evidence: 'measured', speed: 10, axes: { clients } },
      'fail-open',
    ],
    [{ id: 'service-mesh', strategy: 'service-mesh' }, 'skipped'],
  ]);
