import type { CellHeader, Timed } from '../contracts/event.ts';
import type { Analysis } from './analysis.ts';
import { backgroundOf } from './background.ts';
import { type CapacityDocument, capacityDocument } from './capacity/capacity.ts';
import { type LoadResult, loadAnalysis } from './capacity/load.ts';
import { type CellDocument, cellDocument } from './cell-document.ts';
import { type Connections, connectionsAnalysis } from './clients/connections.ts';
import { type FleetResult, fleetAnalysis } from './clients/fleet.ts';
import { type Landings, landingsAnalysis } from './clients/landings.ts';
import { type Rates, ratesAnalysis } from './clients/rates.ts';
import { shapeAtEnd } from './clients/shape.ts';
import { type History, historyAnalysis, type StepSpan } from './history.ts';
import { type Innocence, innocenceAnalysis } from './innocence.ts';
import { buildLedger, type Ledger } from './ledger/ledger.ts';
import { extraPods } from './resources.ts';
import { sayingsAnalysis } from './sayings.ts';
import { type Strips, stripsAnalysis } from './strips.ts';
import { type Bounds, type CriterionResult, judge } from './verdict.ts';
import { warningsAfter } from './warnings.ts';

/** All that is known about one cell; `document` is its stable part. */
export interface CellResult {
  readonly document: CellDocument;
  readonly criteria: readonly CriterionResult[];
  readonly fleet: FleetResult;
  readonly ledger: Ledger;
  readonly history: History;
  readonly rates: Rates;
  readonly connections: Connections;
  readonly landings: Landings;
  readonly innocence: Innocence;
  readonly strips: Strips;
  readonly load: LoadResult;
}

/** A cell being analysed, event by event. */
export interface CellAnalysis {
  fold(event: Timed): void;
  result(): CellResult;
}

/** One analysis at work. When it throws it is left out from there on, and the verdict becomes unknown. */
function running<State, Result>(analysis: Analysis<State, Result>, cell: CellHeader, broken: string[]) {
  const state = analysis.start(cell);
  let works = true;
  const failed = (error: unknown) => {
    works = false;
    broken.push(`${analysis.name}: ${error instanceof Error ? error.message : String(error)}`);
  };
  return {
    fold(event: Timed) {
      if (!works) return;
      try {
        analysis.fold(state, event);
      } catch (error) {
        failed(error);
      }
    },
    result(): Result {
      try {
        return analysis.result(state);
      } catch (error) {
        failed(error);
        return analysis.result(analysis.start(cell));
      }
    },
  };
}

/** Analyses one cell in a single pass over its events, as they arrive or from a stored log. */
export function cellAnalysis(cell: CellHeader, bounds?: Bounds): CellAnalysis {
  const broken: string[] = [];
  const fleet = running(fleetAnalysis, cell, broken);
  const history = running(historyAnalysis, cell, broken);
  const rates = running(ratesAnalysis, cell, broken);
  const connections = running(connectionsAnalysis, cell, broken);
  const landings = running(landingsAnalysis, cell, broken);
  const innocence = running(innocenceAnalysis, cell, broken);
  const strips = running(stripsAnalysis, cell, broken);
  const load = running(loadAnalysis, cell, broken);
  const sayings = running(sayingsAnalysis, cell, broken);
  const all = [fleet, history, rates, connections, landings, innocence, strips, sayings, load];
  return {
    fold(event) {
      for (const analysis of all) analysis.fold(event);
    },
    result() {
      const results = {
        fleet: fleet.result(),
        history: history.result(),
        rates: rates.result(),
        connections: connections.result(),
        landings: landings.result(),
        innocence: innocence.result(),
        strips: strips.result(),
        load: load.result(),
      };
      let ledger: Ledger = { rows: [], chains: [] };
      try {
        ledger = buildLedger(cell, results.history, results.fleet.drops, results.fleet.end);
      } catch (error) {
        broken.push(`ledger: ${error instanceof Error ? error.message : String(error)}`);
      }
      let capacity: CapacityDocument | null = null;
      try {
        capacity = capacityDocument(cell, results.load, results.history);
      } catch (error) {
        broken.push(`capacity: ${error instanceof Error ? error.message : String(error)}`);
      }
      const shape = shapeAtEnd(results.history, results.connections);
      const said = sayings.result();
      const background = backgroundOf(cell, results.fleet, results.history);
      const findings = {
        ...{ cell, ...results, capacity, shape, background, sayings: said },
        ...{ rows: ledger.rows, broken },
      };
      const judgement = judge(findings, bounds);
      const beginOf = (wanted: StepSpan['phase']) =>
        results.history.steps.find(({ phase }) => phase === wanted)?.begin ?? null;
      const document = cellDocument(cell, {
        ...results,
        ledger,
        capacity,
        background,
        releaseAt: beginOf('release'),
        rollbackAt: beginOf('rollback'),
        extraPods: extraPods(results.history),
        shape,
        judgement,
        warnings: [...(cell.warnings ?? []), ...warningsAfter(cell, results.history.steps)],
      });
      return { document, criteria: judgement.criteria, ledger, ...results };
    },
  };
}

/** Analyses one cell: a pure function of its header and its timed events. */
export function analyze(cell: CellHeader, events: Iterable<Timed>, bounds?: Bounds): CellResult {
  const analysis = cellAnalysis(cell, bounds);
  for (const event of events) analysis.fold(event);
  return analysis.result();
}
