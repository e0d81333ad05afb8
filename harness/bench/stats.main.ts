/**
 * `npm run bench:stats`: does `npm run compare` cry wolf, and does it find a real change, the surer the more runs
 * there are? Plays three strategies on the simulator over many seeds, then draws runs from them again and again, with
 * replacement: A/A comparisons of unchanged code, and A/B comparisons whose candidate loses some points more of its
 * clients.
 */
import { tmpdir } from 'node:os';
import { sim } from '../../clusters/sim/sim.ts';
import { compareDocuments } from '../../reports/compare/compare.ts';
import { interval, percent } from '../../reports/words/words.ts';
import { rollingUpdate } from '../../scenarios/rolling-update.ts';
import { selectorFlip } from '../../scenarios/selector-flip.ts';
import { seventyThirty } from '../../scenarios/seventy-thirty.ts';
import { cellAnalysis } from '../analyses/analyze.ts';
import type { CellDocument } from '../analyses/cell-document.ts';
import { defaultAxes } from '../contracts/axes.ts';
import type { Strategy } from '../contracts/scenario.ts';
import { play } from '../run/play.ts';
import { Random } from '../statistics/random.ts';
import { wilsonInterval } from '../statistics/statistics.ts';
import { benchTable } from './bench-table.ts';

const SEEDS = 120;
/** Runs a side, and how many comparisons are made of so many: the more runs, the more each comparison costs. */
const RUNS: readonly (readonly [runs: number, comparisons: number])[] = [
  [8, 800],
  [12, 800],
  [20, 300],
  [40, 100],
  [100, 40],
];
const RISES = [0.02, 0.05];

const CELLS: readonly (readonly [Strategy, Parameters<typeof defaultAxes>[0]])[] = [
  [seventyThirty, { policy: 'Local' }],
  [rollingUpdate, { pods: 3 }],
  [selectorFlip, { policy: 'Local', pods: 2 }],
];

async function playOnce(strategy: Strategy, axes: Parameters<typeof defaultAxes>[0], seed: number) {
  let analysis: ReturnType<typeof cellAnalysis> | undefined;
  await play(
    { id: strategy.name, strategy, provider: sim, axes: defaultAxes(axes), seed },
    {
      name: 'bench',
      directory: tmpdir(),
      signal: new AbortController().signal,
      audience: { watch: () => {} },
      record(event) {
        if (event.type === 'cell') analysis = cellAnalysis(event.cell);
        else if ('at' in event) analysis?.fold(event);
      },
    },
  );
  if (analysis === undefined) throw new Error(`${strategy.name} was not played`);
  return analysis.result().document;
}

/** The same run with `rise` of its clients dropped besides, each untouched client with the same chance. */
function worsened(document: CellDocument, rise: number, random: Random): CellDocument {
  const untouched = document.clients - document.dropped;
  const chance = Math.min(1, (rise * document.clients) / untouched);
  let more = 0;
  for (let client = 0; client < untouched; client++)
    if (random.chance(Math.round(chance * 1_000_000), 1_000_000)) more++;
  const dropped = document.dropped + more;
  return { ...document, dropped, droppedShare: dropped / document.clients };
}

/** How many of many comparisons fail, each of fresh draws of runs from the pool. */
function failures(
  pool: readonly (readonly CellDocument[])[],
  [runs, comparisons]: readonly [runs: number, comparisons: number],
  rise: number,
  random: Random,
) {
  let failed = 0;
  for (let comparison = 0; comparison < comparisons; comparison++) {
    const draw = random.fork(`${runs}/${rise}/${comparison}`);
    const drawn = () => Array.from({ length: runs }, () => pool[draw.integer(0, pool.length)] ?? []).flat();
    const [before, after] = [drawn(), drawn()];
    const changed =
      rise === 0
        ? after
        : after.map((document) =>
            document.strategy === seventyThirty.name ? worsened(document, rise, draw) : document,
          );
    if (compareDocuments(before, changed, { seed: comparison }).verdict === 'fail') failed++;
  }
  return failed;
}

const pool: CellDocument[][] = [];
for (let seed = 1; seed <= SEEDS; seed++) {
  const documents: CellDocument[] = [];
  for (const [strategy, axes] of CELLS) documents.push(await playOnce(strategy, axes, seed));
  pool.push(documents);
  if (seed % 20 === 0) process.stderr.write(`${seed} of ${SEEDS} seeds played\n`);
}
const table = benchTable([
  'change of the candidate',
  'runs a side',
  'comparisons that fail',
  'share',
  '95 %',
]);
const random = new Random('bench:stats');
for (const rise of [0, ...RISES])
  for (const size of RUNS) {
    const [runs, comparisons] = size;
    const failed = failures(pool, size, rise, random);
    table.push([
      rise === 0 ? 'none (A/A)' : `+${100 * rise} points dropped`,
      runs,
      `${failed} of ${comparisons}`,
      percent(failed / comparisons),
      interval(wilsonInterval(failed, comparisons)),
    ]);
    process.stderr.write(`rise ${rise}, ${runs} runs: ${failed} of ${comparisons} fail\n`);
  }
process.stdout.write(
  `${CELLS.length} cells of ${pool[0]?.[0]?.clients.toLocaleString('en')} clients, ${SEEDS} seeds each; goal: A/A fails in fewer than 1 of 100, +5 points are found in 99 of 100\n${table}\n`,
);
