import { PROVIDERS } from '../../clusters/index.ts';
import { resultDocument, runVerdict } from '../../reports/result/result-document.ts';
import { RunReader } from '../../reports/stored/stored-run.ts';
import { resultTable } from '../../reports/terminal.ts';
import { writeReports } from '../../reports/write-reports.ts';
import type { Provider } from '../contracts/cluster.ts';
import { InterruptedError } from '../errors.ts';
import { run } from '../run/run.ts';
import { agrees } from './ask.ts';
import { doctor } from './doctor.ts';
import { EXIT, INTERRUPTS, print, say } from './exit.ts';
import { typedAxes } from './help.ts';
import { incidentsVerdict, incidentTable, toldIncidents } from './incidents/told-incidents.ts';
import { playInLane } from './lane/lane.ts';
import { list } from './list.ts';
import { serveLive, together } from './live/live.ts';
import { createProgress } from './live/progress.ts';
import type { ScenarioOptions } from './options.ts';
import { planRun, type RunPlan } from './plan-run.ts';
import { RUNS, runInfo, VERSIONS } from './run-info.ts';
import { tellSwept } from './sweep.ts';
import { shownPath, typedPath } from './typed-path.ts';

/** `onedrop scenario`: plays what was asked for, and reports. */
export async function scenario(names: string[], options: ScenarioOptions): Promise<void> {
  if (options.list) return list();
  if (names.includes('doctor')) return doctor(names, options);
  const plan = await planRun(names, options);
  if (options.dryRun) {
    for (const note of plan.notes) say(note);
    return print(dryRun(plan).join('\n'));
  }
  if (!(await agreed(plan, options))) return;
  const { cells, providers, livePort } = plan;
  const info = runInfo(plan.seed);
  const directory = options.out === undefined ? `${RUNS}/${info.id}` : typedPath(options.out);
  say(`onedrop run ${info.id}, seed ${info.seed}, commit ${info.commit}`);
  for (const note of plan.notes) say(note);
  const signal = catchInterrupts(directory);
  const reader = new RunReader();
  const progress = createProgress(process.stderr, () => 'played');
  await using live = livePort === undefined ? undefined : await serveLive(livePort);
  if (live !== undefined) say(`live at ${live.url}`);
  for (const provider of providers) tellSwept(await provider.sweep(signal), say);
  await using _held = closing(providers);
  const outcome = await run({
    cells,
    predictor: options.predict ? PROVIDERS.sim : undefined,
    info,
    versions: VERSIONS,
    directory,
    signal,
    playApart: playInLane,
    audience: live === undefined ? progress : together(progress, live.audience),
    observe: (event) => reader.add(event),
    ...(options.speed === undefined ? {} : { speed: Number(options.speed) }),
  });
  const stored = reader.result(info);
  const files = await writeReports(stored, directory);
  const told = plan.incidents && toldIncidents(plan.incidents, stored);
  if (options.format === 'json')
    print(JSON.stringify({ ...resultDocument(stored), ...(told && { incidents: told }) }, null, 2));
  else print(`${told ? incidentTable(told) : resultTable(stored)}\n\n${files.map(shownPath).join('\n')}`);
  process.exitCode =
    outcome === 'broken' ? EXIT.broken : EXIT[told ? incidentsVerdict(told) : runVerdict(stored)];
}

const playedOn = ({ cells }: RunPlan, provider: Provider) =>
  cells.filter((cell) => cell.provider === provider && cell.skip === undefined).map(({ axes }) => axes);

/** A line a cell with the axes that decide it, as they would be typed, and what clusters that cost money would be told. */
function dryRun(plan: RunPlan): string[] {
  const { cells, providers } = plan;
  return [
    ...cells.map(
      ({ id, provider, seed, skip, strategy, axes }) =>
        `${id} on ${provider.name}, seed ${seed}${skip === undefined ? '' : `: skipped, ${skip}`}; ${typedAxes(strategy, axes)}`,
    ),
    ...providers.flatMap((provider) => provider.plan?.(playedOn(plan, provider)) ?? []),
  ];
}

/** Says what the run will cost and asks, before anything that costs money is made. */
async function agreed(plan: RunPlan, { yes }: ScenarioOptions): Promise<boolean> {
  const prices = plan.providers.flatMap((provider) => {
    const axes = playedOn(plan, provider);
    return (axes.length === 0 ? undefined : provider.price?.(axes)) ?? [];
  });
  if (prices.length === 0) return true;
  say(prices.join('\n'));
  return yes === true || agrees('this costs money');
}

/** Removes what the providers hold ready for a next cell, once there is none. */
const closing = (providers: readonly Provider[]): AsyncDisposable => ({
  async [Symbol.asyncDispose]() {
    for (const provider of providers) await provider.close?.();
  },
});

/** The first Ctrl-C ends the run cleanly, the second at once. */
function catchInterrupts(directory: string): AbortSignal {
  const controller = new AbortController();
  for (const signal of INTERRUPTS)
    process.on(signal, () => {
      if (controller.signal.aborted) process.exit(EXIT.unknown);
      say(`\n${signal}: ending; what was logged until now is kept in ${shownPath(directory)}`);
      controller.abort(new InterruptedError(signal));
    });
  return controller.signal;
}
