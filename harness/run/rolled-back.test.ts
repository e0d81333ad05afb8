import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { sim } from '../../clusters/sim/sim.ts';
import { STRATEGIES } from '../../scenarios/index.ts';
import { ReleaseLength } from '../analyses/release-length.ts';
import type { CellHeader, Event } from '../contracts/event.ts';
import type { Strategy } from '../contracts/scenario.ts';
import { type PlannedCell, planCells } from './plan.ts';
import { type RunAudience, run } from './run.ts';

const scratch = mkdtempSync(join(tmpdir(), 'onedrop-rolled-back-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const AUDIENCE: RunAudience = { begin() {}, watch() {}, end() {}, skipped() {} };
const INFO = {
  id: 'r',
  startedAt: '2026-11-22T22:06:01.000Z',
  command: '',
  machine: '',
  onedrop: '0',
  commit: '0',
  seed: 1,
};

async function eventsOf(name: string, cells: readonly PlannedCell[]): Promise<Event[]> {
  const events: Event[] = [];
  await run({
    cells,
    predictor: undefined,
    info: INFO,
    versions: {},
    directory: join(scratch, name),
    signal: new AbortController().signal,
    audience: AUDIENCE,
    observe: (event) => events.push(event),
  });
  return events;
}

const compared = (strategy: Strategy) =>
  planCells({
    strategies: [strategy],
    providers: [sim],
    texts: { clients: '40', backoff: '20s' },
    seed: 1,
    repeat: 1,
    compare: true,
  });

const headers = (events: readonly Event[]): CellHeader[] =>
  events.flatMap((event) => (event.type === 'cell' ? [event.cell] : []));

test('a release is played again, interrupted at half of its own length, and rolled back', async () => {
  const events = await eventsOf('flip', compared(STRATEGIES['selector-flip'] as Strategy));
  const [whole, half] = headers(events);
  expect(whole).toMatchObject({ id: 'selector-flip', kind: 'release', variant: ['retire'] });
  expect(half).toMatchObject({ id: 'selector-flip/rolled-back', rollsBack: 'selector-flip' });
  const second = events.findIndex((event) => event.type === 'cell' && event.cell.id === half?.id);
  const length = new ReleaseLength();
  for (const event of events.slice(0, second)) length.observe(event);
  expect(length.length).toBeGreaterThan(0);
  expect(half?.axes.rollbackAfter).toBe(Math.round((length.length ?? 0) / 2));
  const phases = events
    .slice(second)
    .flatMap((event) => (event.type === 'step' && event.edge === 'begin' ? [event.phase] : []));
  expect(phases).toContain('rollback');
});

test('what did not finish is not rolled back, and the log says why', async () => {
  const broken: Strategy = {
    ...(STRATEGIES['selector-flip'] as Strategy),
    release: () => Promise.reject(new Error('the runbook breaks')),
  };
  const events = await eventsOf('broken', compared(broken));
  expect(headers(events)).toHaveLength(1);
  expect(events.at(-1)).toEqual({ type: 'end', outcome: 'broken' });
  expect(events.at(-2)).toMatchObject({
    type: 'skipped',
    cell: { rollsBack: 'selector-flip' },
    why: 'selector-flip did not finish, so that nobody knows its half',
  });
});

test('every strategy can be compared: its variants are values of axes, and what it requires is known', () => {
  const cells = planCells({
    strategies: Object.values(STRATEGIES),
    providers: [sim],
    texts: {},
    seed: 1,
    repeat: 1,
    compare: true,
  });
  for (const { strategy, axes } of cells) expect(strategy.requires(axes)).toBeInstanceOf(Array);
  expect(new Set(cells.map(({ strategy }) => strategy.name)).size).toBe(Object.keys(STRATEGIES).length);
});
