import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { sim } from '../../clusters/sim/sim.ts';
import { selectorFlip } from '../../scenarios/selector-flip.ts';
import type { Cluster, Provider } from '../contracts/cluster.ts';
import type { Event } from '../contracts/event.ts';
import type { Strategy } from '../contracts/scenario.ts';
import { ReleaseFailedError } from '../errors.ts';
import { planCells } from './plan.ts';
import { play } from './play.ts';
import { run } from './run.ts';

/** Plays one small cell: how the run ended, and its log. */
async function played({
  provider = sim,
  strategy = selectorFlip,
  abort = (_: Event): boolean => false,
  playApart = play,
} = {}) {
  const directory = mkdtempSync(join(tmpdir(), 'onedrop-run-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const controller = new AbortController();
  const outcome = await run({
    cells: planCells({
      strategies: [strategy],
      providers: [provider],
      texts: { clients: '5,6', backoff: '10s' },
      seed: 1,
      repeat: 1,
    }),
    predictor: undefined,
    info: { id: 'test', startedAt: '', command: '', machine: '', onedrop: '0', commit: '0', seed: 1 },
    versions: {},
    directory,
    signal: controller.signal,
    playApart,
    audience: { begin() {}, watch() {}, end() {}, skipped() {} },
    observe: (event) => {
      if (abort(event)) controller.abort();
    },
  });
  const log = readFileSync(join(directory, 'events.jsonl'), 'utf8').trimEnd().split('\n');
  return { outcome, log: log.map((line) => JSON.parse(line) as Event) };
}

const ends = (log: readonly Event[]) =>
  log.flatMap((event) => (event.type === 'end' ? [{ cell: 'at' in event, outcome: event.outcome }] : []));

test('the first line names every planned cell and the last one says how the run ended', async () => {
  const { outcome, log } = await played();
  expect(outcome).toBe('finished');
  expect(log[0]).toMatchObject({
    type: 'run',
    cells: ['selector-flip/clients=5', 'selector-flip/clients=6'],
  });
  expect(log.at(-1)).toEqual({
    type: 'end',
    outcome: 'finished',
    seal: { lines: log.length - 1, sum: expect.stringMatching(/^[0-9a-f]{8}$/) },
  });
});

test('a run that is interrupted when its last cell has ended has finished', async () => {
  let cells = 0;
  const abort = (event: Event) => event.type === 'end' && ++cells === 2;
  expect(await played({ abort })).toMatchObject({ outcome: 'finished' });
});

test('a cluster that cannot be removed leaves what was found, and the run is broken', async () => {
  const stuck: Provider = {
    ...sim,
    async open(spec, context) {
      const cluster: Cluster = await sim.open(spec, context);
      const remove = cluster[Symbol.asyncDispose].bind(cluster);
      cluster[Symbol.asyncDispose] = async () => {
        await remove();
        throw new Error('the launcher is gone');
      };
      return cluster;
    },
  };
  const { outcome, log } = await played({ provider: stuck });
  expect(outcome).toBe('broken');
  expect(ends(log)).toEqual([
    { cell: true, outcome: 'finished' },
    { cell: true, outcome: 'finished' },
    { cell: false, outcome: 'broken' },
  ]);
});

test("a release that fails for its own fault ends its cell, and is no fault of the run's", async () => {
  const failing: Strategy = {
    ...selectorFlip,
    release: () => Promise.reject(new ReleaseFailedError('pod gateway-v2 cannot start: exit code 3')),
  };
  const { outcome, log } = await played({ strategy: failing });
  expect(outcome).toBe('finished');
  expect(ends(log).map((end) => end.outcome)).toEqual(['failed', 'failed', 'finished']);
});

/** `sim`, in two lanes. */
const inLanes: Provider = { ...sim, lanes: () => 2 };

test('cells that are played side by side make the log that they make one after the other', async () => {
  let [going, most, begun] = [0, 0, 0];
  let firstMayEnd = () => {};
  const secondHasEnded = new Promise<void>((resolve) => {
    firstMayEnd = resolve;
  });
  const playApart: typeof play = async (cell, options) => {
    const place = ++begun;
    most = Math.max(most, ++going);
    const result = await play(cell, options);
    going--;
    if (place === 1) await secondHasEnded;
    else firstMayEnd();
    return result;
  };
  const apart = await played({ provider: inLanes, playApart });
  expect(most).toBe(2);
  expect(apart).toEqual(await played());
});

test('a cell that cannot be logged breaks the run, and the cells beside it are ended', async () => {
  const playApart: typeof play = async (cell, options) => {
    if (cell.id.endsWith('5')) throw new Error('no space left on device');
    await new Promise((resolve) => options.signal.addEventListener('abort', resolve));
    return { outcome: 'interrupted' };
  };
  await expect(played({ provider: inLanes, playApart })).rejects.toThrow('no space left');
});
