import { existsSync, readFileSync } from 'node:fs';
import { availableParallelism, cpus, release, totalmem, type } from 'node:os';
import { join, relative } from 'node:path';
import { createInterface } from 'node:readline/promises';
import { Command, CommanderError } from 'commander';
import { PROVIDERS } from '../../clusters/index.ts';
import {
  INTERRUPTS,
  inheritedListener,
  launcherPid,
  relaunch,
} from '../../clusters/netns/launcher/relaunch.ts';
import { RunReader } from '../../reports/stored/stored-run.ts';
import { resultDocument, resultTable, runVerdict } from '../../reports/terminal.ts';
import { writeReports } from '../../reports/write-reports.ts';
import { STRATEGIES } from '../../scenarios/index.ts';
import type { RunInfo } from '../analyses/run-info.ts';
import { loadConfig } from '../config/load-config.ts';
import type { AxisTexts } from '../contracts/axes.ts';
import type { Provider, Swept } from '../contracts/cluster.ts';
import type { Config } from '../contracts/config.ts';
import type { Strategy } from '../contracts/scenario.ts';
import { InterruptedError, UsageError } from '../errors.ts';
import { doctorText, examine } from '../run/examine.ts';
import { type PlannedCell, planCells } from '../run/plan.ts';
import { run } from '../run/run.ts';
import { commit } from './commit.ts';
import { serveLive, together } from './live.ts';
import { axisTexts, configured, providerOptions, type ScenarioOptions, scenarioCommand } from './options.ts';
import { createProgress } from './progress.ts';

const EXIT = { pass: 0, fail: 1, unknown: 2, usage: 64, broken: 70 } as const;
const ROOT = join(import.meta.dirname, '..', '..');

/** What `npm run scenario` plays when no strategy is named: the three of the question, in both policies. */
const DEFAULT_STRATEGIES = ['selector-flip', 'readiness-fail', 'ingress-canary'];
const DEFAULT_POLICIES = 'Cluster,Local';
/** Instead of a strategy: looks at a cluster and predicts these. */
const DOCTOR = 'doctor';
const EXAMINED = ['selector-flip', 'seventy-thirty'];
/** Either word among the strategies plays all of them, with their variants and rollbacks, and ranks them. */
const ALL = ['all', 'compare'];
/** On three nodes: with two pods an old one can be alone on its node, with six a client can land on old ones for long. */
const COMPARED = { policy: DEFAULT_POLICIES, pods: '2,6' };

async function scenario(names: string[], options: ScenarioOptions): Promise<void> {
  if (options.list) return list();
  if (names.includes(DOCTOR)) return doctor(names, options);
  const { cells, notes, providers } = await plan(names, options);
  if (options.dryRun) return print([...cells.map(describe), ...commandsOf(cells, providers)].join('\n'));
  if (!(await agreed(cells, providers, options))) return;
  const livePort =
    options.serve === undefined ? undefined : Number(options.serve === true ? 0 : options.serve);
  // Returns only inside namespaces of our own, which netns builds its network in.
  if (cells.some(({ provider, skip }) => provider.name === 'netns' && skip === undefined))
    await relaunch(livePort === undefined ? {} : { listen: livePort });
  const info = runInfo(Number(options.seed));
  const directory = options.out ?? join(ROOT, 'reports', 'runs', info.id);
  if (existsSync(join(directory, 'events.jsonl')))
    throw new UsageError([`--out ${directory}: holds a run already; name another directory or remove it`]);
  const say = (text: string) => process.stderr.write(`${text}\n`);
  say(`onedrop run ${info.id}, seed ${info.seed}, commit ${info.commit}`);
  for (const note of notes) say(note);
  const interruption = catchInterrupts(directory, say);
  const reader = new RunReader();
  const progress = createProgress(process.stderr, () => 'played');
  await using live = livePort === undefined ? undefined : await serveLive(inheritedListener() ?? livePort);
  if (live !== undefined) say(`live at ${live.url}`);
  for (const provider of providers) tellSwept(await provider.sweep(interruption), say, say);
  await using _held = closing(providers);
  const outcome = await run({
    cells,
    predictor: options.predict ? PROVIDERS.sim : undefined,
    info,
    versions: VERSIONS,
    directory,
    signal: interruption,
    audience: live === undefined ? progress : together(progress, live.audience),
    observe: (event) => reader.add(event),
    ...(options.speed === undefined ? {} : { speed: Number(options.speed) }),
  });
  const stored = reader.result(info);
  const files = await writeReports(stored, directory);
  if (options.format === 'json') print(JSON.stringify(resultDocument(stored), null, 2));
  else print(`${resultTable(stored)}\n\n${files.map((file) => relative(process.cwd(), file)).join('\n')}`);
  process.exitCode = outcome === 'broken' ? EXIT.broken : EXIT[runVerdict(stored)];
}

/** The one-minute check of a cluster that is there already, and what the simulator predicts for flips on it. */
async function doctor(names: readonly string[], options: ScenarioOptions): Promise<void> {
  const { cluster, namespace, service, ...typed } = options;
  const able = Object.values(PROVIDERS).filter(({ diagnose }) => diagnose !== undefined);
  const mistakes: string[] = [];
  if (names.length > 1) mistakes.push('doctor: is asked for alone, without strategies');
  const provider = able.find(({ name }) => name === cluster);
  const { sim } = PROVIDERS;
  if (provider === undefined || sim === undefined) {
    const others = able.map(({ name }) => name).join(', ');
    throw new UsageError([
      ...mistakes,
      `doctor --cluster ${cluster}: looks at a cluster that is there already; choose ${others} (kind and GKE clusters have a kubeconfig)`,
    ]);
  }
  const chosen = configured(provider, typed);
  const preflight = await chosen.preflight();
  if (!preflight.usable)
    mistakes.push(...preflight.missing.map(({ what, mend }) => `--cluster ${cluster}: ${what}; ${mend}`));
  if (mistakes.length > 0) throw new UsageError(mistakes);
  const suspect = {
    ...(namespace === undefined ? {} : { namespace }),
    ...(service === undefined ? {} : { service }),
  };
  const diagnosis = await chosen.diagnose?.(suspect);
  if (diagnosis === undefined) return;
  const report = await examine(diagnosis, {
    cluster,
    strategies: chooseStrategies(EXAMINED, mistakes),
    predictor: sim,
    typed: axisTexts(options),
    seed: Number(options.seed),
    signal: new AbortController().signal,
  });
  print(options.format === 'json' ? JSON.stringify(report, null, 2) : doctorText(report));
}

async function plan(names: readonly string[], options: ScenarioOptions) {
  const mistakes: string[] = [];
  const strategies = chooseStrategies(names, mistakes);
  const { providers, notes } = await chooseProviders(options, mistakes);
  const whole = (name: 'seed' | 'repeat', least: number, most: number) => {
    const value = Number(options[name]);
    if (!Number.isInteger(value) || value < least || value > most)
      mistakes.push(`--${name} ${options[name]}: must be a whole number from ${least} to ${most}`);
    return value;
  };
  const seed = whole('seed', 0, 2 ** 31 - 1);
  const repeat = whole('repeat', 1, 10_000);
  if (options.speed !== undefined && !(Number(options.speed) > 0 && Number(options.speed) <= 1000))
    mistakes.push(`--speed ${options.speed}: must be a number above 0, 1000 at most`);
  if (
    options.serve !== undefined &&
    options.serve !== true &&
    !(Number(options.serve) > 0 && Number(options.serve) < 65_536)
  )
    mistakes.push(`--serve ${options.serve}: must be a port from 1 to 65535, or nothing for any free one`);
  if (!['text', 'json'].includes(options.format))
    mistakes.push(`--format ${options.format}: must be text or json`);
  const compare = names.some((name) => ALL.includes(name));
  const defaults = compare ? COMPARED : names.length === 0 ? { policy: DEFAULT_POLICIES } : {};
  const own = await ownGateway(options, mistakes, notes);
  if (own !== undefined && !options.dryRun && providers.some(({ runs }) => runs === 'image'))
    await checkChart(own, mistakes, notes);
  const texts = { ...defaults, ...ownTexts(own), ...axisTexts(options) };
  let cells: PlannedCell[] = [];
  try {
    cells = planCells({
      strategies,
      providers,
      texts,
      seed,
      repeat,
      compare,
      ...(own === undefined ? {} : { own }),
    });
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    mistakes.push(...error.mistakes);
  }
  if (mistakes.length > 0) throw new UsageError(mistakes);
  const measured = cells.filter(
    ({ provider, skip }) => provider.evidence === 'measured' && skip === undefined,
  );
  if (compare && measured.length > 0)
    notes.push(
      `${measured.length} cells will be measured one after the other; --cluster sim models them in about a minute`,
    );
  return { cells, notes, providers };
}

/** The user's own gateway: from --config, or from the folder where the command was typed. */
async function ownGateway(
  { config: file }: ScenarioOptions,
  mistakes: string[],
  notes: string[],
): Promise<Config | undefined> {
  if (file === false) return undefined;
  try {
    // npm runs scripts in the package's folder and says where it was called.
    const folders = [process.env.INIT_CWD ?? process.cwd(), process.cwd()];
    const loaded = await loadConfig(typeof file === 'string' ? file : undefined, folders);
    if (loaded !== undefined)
      notes.push(`gateway: your own, from ${loaded.file} (--no-config: the built-in one)`);
    return loaded?.config;
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    mistakes.push(...error.mistakes);
    return undefined;
  }
}

/** What is wrong with the chart of the user's own gateway is told before anything is made; each cell renders it again. */
async function checkChart(own: Config, mistakes: string[], notes: string[]): Promise<void> {
  const { renderOwnChart } = await import('../../clusters/kubernetes/gateway/helm.ts');
  try {
    notes.push(...((await renderOwnChart(own, { namespace: 'onedrop' }))?.notes ?? []));
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    mistakes.push(...error.mistakes);
  }
}

/** What the configuration says of the clients, as if it were typed. */
function ownTexts(own: Config | undefined): AxisTexts {
  const { backoff, backoffModel, heartbeat } = own?.clients ?? {};
  return {
    ...(backoff === undefined ? {} : { backoff }),
    ...(backoffModel === undefined ? {} : { backoffModel }),
    ...(heartbeat === undefined ? {} : { heartbeat }),
  };
}

function chooseStrategies(names: readonly string[], mistakes: string[]): Strategy[] {
  const wanted =
    names.length === 0
      ? DEFAULT_STRATEGIES
      : names.some((name) => ALL.includes(name))
        ? Object.keys(STRATEGIES)
        : names;
  return [...new Set(wanted)].flatMap((name) => {
    const strategy = STRATEGIES[name];
    if (strategy === undefined)
      mistakes.push(
        `strategy ${name}: not known; choose from all, compare, ${Object.keys(STRATEGIES).join(', ')}`,
      );
    return strategy ?? [];
  });
}

/** `auto` is the best embedded cluster that this machine allows; it says which and why. */
async function chooseProviders({ cluster, ...typed }: ScenarioOptions, mistakes: string[]) {
  const notes: string[] = [];
  const providers: Provider[] = [];
  for (const name of new Set(cluster.split(',').map((part) => part.trim()))) {
    const provider = name === 'auto' ? await bestEmbedded(notes) : PROVIDERS[name];
    if (provider === undefined)
      mistakes.push(`--cluster ${name}: not known; choose from auto, ${Object.keys(PROVIDERS).join(', ')}`);
    else
      try {
        providers.push(configured(provider, typed));
      } catch (error) {
        if (!(error instanceof UsageError)) throw error;
        mistakes.push(...error.mistakes);
      }
  }
  const others = providers.filter(({ name }) => name !== 'netns' && name !== 'sim').map(({ name }) => name);
  if (others.length > 0 && providers.some(({ name }) => name === 'netns'))
    mistakes.push(
      `--cluster ${cluster}: netns runs in a network of its own, from which ${others.join(', ')} cannot be reached; run them one after the other`,
    );
  for (const provider of typed.dryRun ? [] : providers) {
    const preflight = await provider.preflight();
    if (preflight.usable) notes.push(...preflight.notes);
    else
      for (const { what, mend } of preflight.missing)
        mistakes.push(`--cluster ${provider.name}: ${what}; ${mend}`);
  }
  return { providers, notes };
}

async function bestEmbedded(notes: string[]): Promise<Provider | undefined> {
  const { netns, sim } = PROVIDERS;
  const preflight = await netns?.preflight();
  if (preflight?.usable) {
    notes.push('cluster netns: measured on this Linux kernel, because this machine allows it');
    return netns;
  }
  const why = preflight?.missing.map(({ what, mend }) => `${what} (${mend})`).join('; ');
  notes.push(`cluster sim: modelled, because netns cannot run here: ${why}`);
  return sim;
}

function list(): void {
  const lines = (entries: [string, string][]) =>
    entries.map(([name, text]) => `  ${name.padEnd(18)} ${text}`).join('\n');
  const strategies = Object.values(STRATEGIES).map(({ name, question }): [string, string] => [
    name,
    question,
  ]);
  const clusters = Object.values(PROVIDERS).map(({ name, description }): [string, string] => [
    name,
    description,
  ]);
  print(`Strategies\n${lines(strategies)}\n\nClusters\n${lines(clusters)}`);
}

/** Removes what killed runs left behind, on every cluster; says where it could not look, and then does not end with 0. */
async function sweep(typed: Readonly<Record<string, unknown>>): Promise<void> {
  let quiet = true;
  for (const provider of Object.values(PROVIDERS).map((one) => configured(one, typed))) {
    const swept = await provider.sweep();
    tellSwept(swept, print, (text) => process.stderr.write(`${text}\n`));
    if (swept.unseen.length > 0) process.exitCode = EXIT.unknown;
    quiet &&= swept.removed.length + swept.unseen.length === 0;
  }
  if (quiet) print('nothing was left behind');
}

const tellSwept = (
  { removed, unseen }: Swept,
  tell: (text: string) => void,
  warn: (text: string) => void,
) => {
  for (const { kind, name } of removed) tell(`removed ${kind} ${name}, left behind by a run that was killed`);
  for (const { what, why } of unseen) warn(`could not look for what was left behind in ${what}: ${why}`);
};

/** Removes what the providers hold ready for a next cell, once there is none. */
const closing = (providers: readonly Provider[]): AsyncDisposable => ({
  async [Symbol.asyncDispose]() {
    for (const provider of providers) await provider.close?.();
  },
});

const playedOn = (cells: readonly PlannedCell[], provider: Provider) =>
  cells.filter((cell) => cell.provider === provider && cell.skip === undefined).map(({ axes }) => axes);

/** What clusters that cost money would be told, for --dry-run. */
const commandsOf = (cells: readonly PlannedCell[], providers: readonly Provider[]) =>
  providers.flatMap((provider) => provider.plan?.(playedOn(cells, provider)) ?? []);

/** Says what the run will cost and asks, before anything that costs money is made. */
async function agreed(
  cells: readonly PlannedCell[],
  providers: readonly Provider[],
  { yes }: ScenarioOptions,
): Promise<boolean> {
  const prices = providers.flatMap((provider) => {
    const axes = playedOn(cells, provider);
    return (axes.length === 0 ? undefined : provider.price?.(axes)) ?? [];
  });
  if (prices.length === 0) return true;
  process.stderr.write(`${prices.join('\n')}\n`);
  if (yes) return true;
  if (!process.stdin.isTTY)
    throw new UsageError(['this costs money and there is nobody to ask; agree with --yes']);
  using terminal = createInterface({ input: process.stdin, output: process.stderr });
  const answer = await terminal.question('Go on? [y/N] ');
  return /^y(es)?$/i.test(answer.trim());
}

const describe = (cell: PlannedCell) =>
  `${cell.id} on ${cell.provider.name}, seed ${cell.seed}${cell.skip === undefined ? '' : `: skipped, ${cell.skip}`}`;

/** The first Ctrl-C ends the run cleanly, the second at once. */
function catchInterrupts(directory: string, say: (text: string) => void): AbortSignal {
  const controller = new AbortController();
  for (const signal of INTERRUPTS)
    process.on(signal, () => {
      if (controller.signal.aborted) process.exit(EXIT.unknown);
      say(`\n${signal}: ending; what was logged until now is kept in ${relative(process.cwd(), directory)}`);
      controller.abort(new InterruptedError(signal));
    });
  return controller.signal;
}

const VERSIONS = {
  onedrop: (JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string }).version,
  node: process.versions.node,
};

function runInfo(seed: number): RunInfo {
  const startedAt = new Date().toISOString();
  const memory = Math.round(totalmem() / 2 ** 30);
  return {
    id: `${startedAt.slice(0, 19).replaceAll(/[-:]/g, '').replace('T', '-')}-${launcherPid()}`,
    startedAt,
    command: ['npm run scenario --', ...process.argv.slice(3)].join(' '),
    machine: `${type()} ${release()}, ${availableParallelism()} x ${cpus()[0]?.model ?? 'unknown processor'}, ${memory} GiB`,
    onedrop: VERSIONS.onedrop,
    commit: commit(ROOT),
    seed,
  };
}

const print = (text: string) => void process.stdout.write(`${text}\n`);

const program = new Command('onedrop').exitOverride().configureOutput({ outputError: () => {} });
program.addCommand(scenarioCommand(Object.values(PROVIDERS), scenario));
const sweepCommand = new Command('sweep')
  .description('Removes what killed runs left behind, found by label; harmless to living runs.')
  .action(sweep);
for (const option of providerOptions(Object.values(PROVIDERS))) sweepCommand.addOption(option);
program.addCommand(sweepCommand);
for (const command of program.commands) command.exitOverride().configureOutput({ outputError: () => {} });

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof UsageError) {
    process.stderr.write(
      `${error.mistakes.map((mistake) => `error: ${mistake}`).join('\n')}\nSee npm run scenario -- --help\n`,
    );
    process.exitCode = EXIT.usage;
  } else if (error instanceof CommanderError) {
    if (error.exitCode !== 0) process.stderr.write(`${error.message}\nSee npm run scenario -- --help\n`);
    process.exitCode = error.exitCode === 0 ? 0 : EXIT.usage;
  } else {
    process.stderr.write(
      `onedrop broke: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
    );
    process.exitCode = EXIT.broken;
  }
}
