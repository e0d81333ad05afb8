import { bootstrapDifference } from '../../harness/statistics/bootstrap.ts';
import { Random } from '../../harness/statistics/random.ts';
import type { Interval } from '../../harness/statistics/statistics.ts';
import { type Html, html } from '../page/html.ts';
import type { AnalysedCell } from '../stored/stored-run.ts';
import { cellName, count, percent, rate, showAxis, time, varyingAxes } from '../words/words.ts';

/** The same cell played with several seeds. */
export interface SeedGroup {
  readonly cells: readonly AnalysedCell[];
  /** Its name without the seed. */
  readonly name: string;
  /** Measured minus predicted dropped share, mean over seeds, where there are predictions. */
  readonly deviation:
    | { readonly difference: number; readonly interval: Interval; readonly agrees: boolean }
    | undefined;
}

/** A run's cells that differ in nothing but their seed, where there are at least three seeds. */
export function seedGroups(cells: readonly AnalysedCell[]): SeedGroup[] {
  const axes = varyingAxes(cells);
  const groups = new Map<string, AnalysedCell[]>();
  for (const cell of cells) {
    const key = [
      cell.header.strategy,
      cell.header.cluster,
      ...axes.map((name) => showAxis(cell.header.axes, name)),
    ].join('|');
    groups.set(key, [...(groups.get(key) ?? []), cell]);
  }
  const several = [...groups.values()].filter((group) => group.length >= 3);
  const firsts = several.map(([first]) => first as AnalysedCell);
  return several.map((group, index) => ({
    cells: group,
    // Among the groups' first cells no seed tells them apart any more, or it is left out.
    name: cellName(firsts[index] as AnalysedCell, firsts).replace(/(, | · )seed \d+$/, ''),
    deviation: deviationOf(group),
  }));
}

/** With fewer, even differences that all point the same way are no rarity (2 in 2^5). */
const SEEDS_TO_JUDGE = 6;

/** How often as many signs as here, or more, would be the same by chance: the two-sided sign test, exact. */
function signTest(differences: readonly number[]): number {
  const signs = differences.filter((difference) => difference !== 0);
  const positive = signs.filter((difference) => difference > 0).length;
  const most = Math.max(positive, signs.length - positive);
  let ways = 1;
  let tail = 0;
  for (let chosen = 0; chosen <= signs.length; chosen++) {
    if (chosen >= most) tail += ways;
    ways = (ways * (signs.length - chosen)) / (chosen + 1);
  }
  return Math.min(1, (2 * tail) / 2 ** signs.length);
}

function deviationOf(cells: readonly AnalysedCell[]): SeedGroup['deviation'] {
  const differences = cells.flatMap(({ result: { document } }) =>
    document.predicted === undefined ? [] : [document.droppedShare - document.predicted.droppedShare],
  );
  if (differences.length < SEEDS_TO_JUDGE) return undefined;
  const zeros = differences.map(() => 0);
  const { difference, interval } = bootstrapDifference(zeros, differences, new Random('over seeds'));
  return {
    difference,
    interval,
    agrees: (interval[0] <= 0 && interval[1] >= 0) || signTest(differences) > 0.05,
  };
}

/** One cell for each group of seeds, the first, and every cell that stands alone: what pictures are made of. */
export function representatives(cells: readonly AnalysedCell[]): AnalysedCell[] {
  const repeated = new Set(seedGroups(cells).flatMap((group) => group.cells.slice(1)));
  return cells.filter((cell) => !repeated.has(cell));
}

const points = (share: number) =>
  `${share > 0.00005 ? '+' : share < -0.00005 ? '−' : ''}${(100 * Math.abs(share)).toFixed(1)} points`;

/** What the cells have in common over their seeds, and whether predictions miss in the same direction again and again. */
export function overSeeds(cells: readonly AnalysedCell[]): Html | undefined {
  const groups = seedGroups(cells);
  if (groups.length === 0) return undefined;
  const predicted = groups.some(({ deviation }) => deviation !== undefined);
  const spread = (
    group: SeedGroup,
    of: (cell: AnalysedCell) => number | undefined,
    show: (value: number) => string,
  ) => {
    const values = group.cells.map(of).filter((value) => value !== undefined);
    if (values.length === 0) return '–';
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    return `${show(mean)} (${show(Math.min(...values))} to ${show(Math.max(...values))})`;
  };
  const whole = (value: number) => count(Math.round(value));
  return html`<section id="seeds">
<h2>Over all seeds</h2>
<section class="scroll" tabindex="0" aria-label="Over all seeds"><table><thead><tr><th scope="col">cell</th><th scope="col" class="number">seeds</th><th scope="col" class="number">dropped</th><th scope="col" class="number">twice or more</th><th scope="col" class="number">landed on old</th><th scope="col" class="number">peak/s</th><th scope="col" class="number">away p95</th><th scope="col">verdicts</th>${predicted && html`<th scope="col" class="number">measured − predicted</th>`}</tr></thead><tbody>${groups.map(
    (group) => {
      const verdicts = (['pass', 'fail', 'unknown'] as const)
        .map((verdict) => ({
          verdict,
          cells: group.cells.filter(({ result }) => result.document.verdict === verdict).length,
        }))
        .filter(({ cells: number }) => number > 0);
      return html`<tr><th scope="row">${group.name}</th><td class="number">${group.cells.length}</td><td class="number">${spread(group, ({ result }) => result.document.droppedShare, percent)}</td><td class="number">${spread(group, ({ result }) => result.document.droppedTwice, whole)}</td><td class="number">${spread(group, ({ result }) => result.document.landedOnOld, whole)}</td><td class="number">${spread(group, ({ result }) => result.document.peakReconnectsPerSecond, rate)}</td><td class="number">${spread(group, ({ result }) => result.document.timeAway?.p95, time)}</td><td>${verdicts.map(({ verdict, cells: number }) => html`<span class="badge ${verdict}">${number} ${verdict}</span> `)}</td>${
        predicted &&
        html`<td class="number">${
          group.deviation === undefined
            ? '–'
            : html`${points(group.deviation.difference)} (${points(group.deviation.interval[0])} to ${points(group.deviation.interval[1])}) ${group.deviation.agrees ? 'agrees' : html`<span class="badge unknown">disagrees</span>`}`
        }</td>`
      }</tr>`;
    },
  )}</tbody></table></section>
<p class="note">Means over seeds with their least and largest value.${predicted && ' Measured minus predicted: the mean difference with its bootstrap interval (95 %), from six seeds on; a small difference that always points the same way shows here before it shows in any one cell.'}</p>
</section>`;
}
