import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { sim } from '../../clusters/sim/sim.ts';
import type { RunInfo } from '../../harness/analyses/run-info.ts';
import type { AxisTexts } from '../../harness/contracts/axes.ts';
import type { Provider } from '../../harness/contracts/cluster.ts';
import type { Event } from '../../harness/contracts/event.ts';
import type { Strategy } from '../../harness/contracts/scenario.ts';
import { planCells } from '../../harness/run/plan.ts';
import { run } from '../../harness/run/run.ts';

export const INFO: RunInfo = {
  id: '20261122-220601-1',
  startedAt: '2026-11-22T22:06:01.000Z',
  command: 'npm run scenario',
  machine: 'a machine',
  onedrop: '0.1.0',
  commit: '512056c0ffee',
  seed: 1,
};

/** The simulator as if it measured, so that its cells are predicted; for tests. */
export const measuring: Provider = { ...sim, name: 'measuring', evidence: 'measured' };

/** Plays cells for a test and leaves the run's folder in `directory`; `heed` sees each event and may interrupt. */
export async function playedRun(
  directory: string,
  strategies: readonly Strategy[],
  texts: AxisTexts,
  options: { provider?: Provider; heed?: (event: Event, interrupt: () => void) => void } = {},
): Promise<string[]> {
  rmSync(directory, { recursive: true, force: true });
  const { provider = sim, heed } = options;
  const controller = new AbortController();
  await run({
    cells: planCells({ strategies, providers: [provider], texts, seed: 1, repeat: 1 }),
    predictor: sim,
    info: INFO,
    versions: {},
    directory,
    signal: controller.signal,
    audience: { begin() {}, watch() {}, end() {}, skipped() {} },
    observe: (event) => heed?.(event, () => controller.abort()),
  });
  return readFileSync(join(directory, 'events.jsonl'), 'utf8').trimEnd().split('\n');
}
