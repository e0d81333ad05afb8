import type { Incident } from '../../scenarios/incidents/incident.ts';
import { loadConfig } from '../config/load-config.ts';
import type { AxisTexts } from '../contracts/axes.ts';
import type { Provider } from '../contracts/cluster.ts';
import type { Config } from '../contracts/config.ts';
import { addMistakes, UsageError } from '../errors.ts';
import { type PlannedCell, planCells, warningLines } from '../run/plan.ts';
import { checkOut, oneOf, wholeNumber } from './checks.ts';
import { chooseProviders, chooseStrategies, isComparison } from './choose.ts';
import {
  asksForIncidents,
  chooseIncidents,
  incidentCells,
  incidentProviders,
  refuseOwn,
} from './incidents/plan-incidents.ts';
import { axisTexts, type ScenarioOptions } from './options.ts';
import { typedFolder } from './typed-path.ts';

const DEFAULT_POLICIES = 'Cluster,Local';
/** On three nodes: with two pods an old one can be alone on its node, with six a client can land on old ones for long. */
const COMPARED = { policy: DEFAULT_POLICIES, pods: '2,6' };

/** What was typed, checked, and what follows from it. */
export interface RunPlan {
  readonly cells: readonly PlannedCell[];
  readonly providers: readonly Provider[];
  /** What whoever typed it should know before it begins. */
  readonly notes: readonly string[];
  readonly seed: number;
  /** The port of the live page, 0 for any; undefined: none. */
  readonly livePort: number | undefined;
  /** What the cells are before and after of; undefined: of nothing, they are strategies. */
  readonly incidents?: readonly Incident[];
}

/** Everything that is to be played. @throws UsageError naming every mistake, before anything is made. */
export async function planRun(names: readonly string[], options: ScenarioOptions): Promise<RunPlan> {
  if (asksForIncidents(names)) return planIncidents(names, options);
  const mistakes: string[] = [];
  const strategies = chooseStrategies(names, mistakes);
  const { providers, notes } = await chooseProviders(options, mistakes);
  const numbers = runNumbers(options, mistakes);
  if (!options.dryRun) checkOut(options.out, mistakes);
  const compare = isComparison(names);
  const defaults = compare ? COMPARED : names.length === 0 ? { policy: DEFAULT_POLICIES } : {};
  const own = await ownGateway(options, mistakes, notes);
  if (own !== undefined && !options.dryRun && providers.some(({ runs }) => runs === 'image'))
    await checkChart(own, mistakes, notes);
  const texts = { ...defaults, ...ownTexts(own), ...axisTexts(options) };
  let cells: PlannedCell[] = [];
  try {
    const { seed, repeat } = numbers;
    const gateway = own === undefined ? {} : { own };
    cells = planCells({ strategies, providers, texts, seed, repeat, compare, ...gateway });
  } catch (error) {
    addMistakes(mistakes, error);
  }
  if (mistakes.length > 0) throw new UsageError(mistakes);
  const measured = cells.filter(
    ({ provider, skip }) => provider.evidence === 'measured' && skip === undefined,
  );
  if (compare && measured.length > 0)
    notes.push(
      `${measured.length} cells will be measured, which takes minutes; --cluster sim models them in about a minute`,
    );
  notes.push(...warningLines(cells));
  return { cells, notes, providers, ...numbers };
}

/** Public incidents, before and after what fixed them. @throws UsageError as `planRun` does. */
function planIncidents(names: readonly string[], options: ScenarioOptions): RunPlan {
  const mistakes: string[] = [];
  const incidents = chooseIncidents(names, mistakes);
  refuseOwn(options, mistakes);
  const numbers = runNumbers(options, mistakes);
  if (!options.dryRun) checkOut(options.out, mistakes);
  if (mistakes.length > 0) throw new UsageError(mistakes);
  const cells = incidentCells(incidents, numbers.seed);
  return { cells, incidents, providers: incidentProviders(), notes: [], ...numbers };
}

/** The options of a run that are no axes; every mistake in them is added to `mistakes`. */
export function runNumbers(options: ScenarioOptions, mistakes: string[]) {
  const seed = wholeNumber('seed', options.seed, [0, 2 ** 31 - 1], mistakes);
  const repeat = wholeNumber('repeat', options.repeat, [1, 10_000], mistakes);
  if (options.speed !== undefined && !(Number(options.speed) > 0 && Number(options.speed) <= 1000))
    mistakes.push(`--speed ${options.speed}: must be a number above 0, 1000 at most`);
  const livePort =
    options.serve === undefined || options.serve === true
      ? options.serve && 0
      : wholeNumber('serve', options.serve, [1, 65_535], mistakes);
  oneOf('format', options.format, ['text', 'json'], mistakes);
  return { seed, repeat, livePort };
}

/** The user's own gateway: from --config, or from the folder where the command was typed. */
async function ownGateway(
  { config: file }: ScenarioOptions,
  mistakes: string[],
  notes: string[],
): Promise<Config | undefined> {
  if (file === false) return undefined;
  try {
    const loaded = await loadConfig(typeof file === 'string' ? file : undefined, [
      typedFolder(),
      process.cwd(),
    ]);
    if (loaded !== undefined)
      notes.push(`gateway: your own, from ${loaded.file} (--no-config: the built-in one)`);
    return loaded?.config;
  } catch (error) {
    return addMistakes(mistakes, error);
  }
}

/** What is wrong with the chart of the user's own gateway is told before anything is made; each cell renders it again. */
async function checkChart(own: Config, mistakes: string[], notes: string[]): Promise<void> {
  const { renderOwnChart } = await import('../../clusters/kubernetes/gateway/helm.ts');
  try {
    notes.push(...((await renderOwnChart(own, { namespace: 'onedrop' }))?.notes ?? []));
  } catch (error) {
    addMistakes(mistakes, error);
  }
}

/** What the configuration says of the clients, as if it were typed. */
export function ownTexts(own: Config | undefined): AxisTexts {
  const { backoff, backoffModel, heartbeat } = own?.clients ?? {};
  return {
    ...(backoff === undefined ? {} : { backoff }),
    ...(backoffModel === undefined ? {} : { backoffModel }),
    ...(heartbeat === undefined ? {} : { heartbeat }),
  };
}
