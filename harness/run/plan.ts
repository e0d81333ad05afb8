import { HALF_WAY } from '../analyses/release-length.ts';
import { told, unheeded as unheededAxis, warningLine, warningsBefore } from '../analyses/warnings.ts';
import { refusesOwn } from '../config/own-gateway.ts';
import type { Axes, AxisName } from '../contracts/axes.ts';
import { AXES, type AxisTexts, defaultAxes, optionName } from '../contracts/axes.ts';
import type { Capability, Provider } from '../contracts/cluster.ts';
import type { Config } from '../contracts/config.ts';
import type { Strategy } from '../contracts/scenario.ts';
import { needsOf } from '../contracts/scenario.ts';
import { UsageError } from '../errors.ts';
import { calmUse, gatewayCost } from '../gateway/cost.ts';
import { impossible } from './impossible.ts';

/** One cell to play, before any cluster is opened. */
export interface PlannedCell {
  readonly id: string;
  /** What it is called in reports; undefined: its strategy, and the axes that vary. */
  readonly title?: string;
  readonly strategy: Strategy;
  readonly provider: Provider;
  readonly axes: Axes;
  readonly seed: number;
  /** The user's own gateway; undefined: the built-in one. */
  readonly own?: Config;
  /** Axes that a comparison sets for this strategy and the user did not. */
  readonly variant?: readonly string[];
  /** This cell plays another one again up to a share of that one's release, and rolls back from there. */
  readonly rollsBack?: { readonly id: string; readonly share: number };
  /** Why it will be skipped, known before anything is paid for. */
  readonly skip?: string;
  /** What makes its result meaningless or surprising, known before it is played: a sentence each. */
  readonly warnings?: readonly string[];
}

/** More cells than this are a mistake: even simulated ones would take hours, and their report would be read by nobody. */
const MOST_CELLS = 10_000;

const isRelease = ({ kind = 'release' }: Strategy) => kind === 'release';
const isAxis = (name: string): name is AxisName => Object.hasOwn(AXES, name);
const optionOf = (axis: string) => `--${optionName(axis)}`;

type AxisValues = Map<AxisName, unknown[]>;

/** Reads the values of each axis, adding every mistake to `mistakes` with its option, value and what is allowed. */
export function readAxes(texts: AxisTexts, mistakes: string[]): AxisValues {
  const values: AxisValues = new Map();
  for (const [name, text] of Object.entries(texts)) {
    if (!isAxis(name)) continue;
    const { schema, value } = AXES[name];
    const read = text.split(',').map((part) => {
      const result = schema.safeParse(part.trim());
      if (!result.success)
        mistakes.push(
          `${optionOf(name)} ${part.trim() || "''"}: ${result.error.issues.map(({ message }) => message).join('; ')} (allowed: ${value})`,
        );
      return result.data;
    });
    values.set(name, [...new Set(read)]);
  }
  return values;
}

/**
 * The cells of a run: strategies x clusters x the values of every axis x repeats, in that order, 10,000 at most. A
 * strategy's own defaults give way to what the user typed.
 * @throws UsageError naming every value that is not allowed, and every combination that no cluster could have.
 */
export function planCells(options: {
  strategies: readonly Strategy[];
  providers: readonly Provider[];
  texts: AxisTexts;
  seed: number;
  repeat: number;
  /**
   * Plays strategies to be compared: with their variants, and each release once more, interrupted half-way and rolled
   * back, unless the user chose `--rollback-after`.
   */
  compare?: boolean;
  /** The user's own gateway. */
  own?: Config;
}): PlannedCell[] {
  const mistakes: string[] = [];
  readAxes(options.texts, mistakes);
  if (mistakes.length > 0) throw new UsageError(mistakes);
  const { own } = options;
  const played = options.strategies.flatMap((strategy) =>
    options.providers.map((provider) => {
      const variants = options.compare ? strategy.variants : {};
      return {
        strategy,
        provider,
        variant: Object.keys(variants ?? {}).filter((name) => !(name in options.texts)),
        values: readAxes(
          { ...strategy.defaults, ...provider.given?.(), ...variants, ...options.texts },
          mistakes,
        ),
      };
    }),
  );
  const rolledBackToo = (strategy: Strategy, values: AxisValues) =>
    options.compare === true && isRelease(strategy) && !values.has('rollbackAfter');
  const number = played.reduce(
    (sum, { strategy, values }) =>
      sum + combinationsOf(values) * options.repeat * (rolledBackToo(strategy, values) ? 2 : 1),
    0,
  );
  if (number > MOST_CELLS)
    mistakes.push(
      `${number.toLocaleString('en-US')} cells: a run may have ${MOST_CELLS.toLocaleString('en-US')} at most; choose fewer strategies, clusters, values of axes or repeats`,
    );
  if (mistakes.length > 0) throw new UsageError(mistakes);
  const typed = new Set(Object.keys(options.texts));
  const unheeded = unheededOf(options.strategies, options.texts);
  const cells: PlannedCell[] = [];
  for (const { strategy, provider, variant, values } of played) {
    const varying = [...values].filter(([, list]) => list.length > 1).map(([name]) => name);
    for (const axes of combinations(values)) {
      for (const mistake of impossible(strategy, provider, axes))
        if (!mistakes.includes(mistake)) mistakes.push(mistake);
      const missing = needsOf(strategy, axes).filter((need) => !provider.offers.has(need));
      const skip =
        missing.length > 0
          ? `${provider.name} does not offer ${missing.map((need) => reasoned(need, provider)).join(', ')}`
          : ((own && refusesOwn(own, strategy, provider, axes)) ?? provider.refuses(axes));
      const { heeds = [] } = strategy;
      const builtIn = own === undefined || provider.runs === undefined;
      const warnings = [
        ...warningsBefore({
          axes,
          heeds,
          typed,
          builtIn,
          calmUse: calmUse(axes.clients / axes.pods, axes.heartbeat, gatewayCost(axes)) / 1000,
        }),
        ...unheeded,
      ];
      for (let repeat = 0; repeat < options.repeat; repeat++) {
        const parts = [
          strategy.name,
          ...(options.providers.length > 1 ? [provider.name] : []),
          ...varying.map((name) => `${name}=${AXES[name].show(axes[name] as never)}`),
          ...(options.repeat > 1 ? [`seed=${options.seed + repeat}`] : []),
        ];
        const cell: PlannedCell = {
          id: parts.join('/'),
          strategy,
          provider,
          axes,
          seed: options.seed + repeat,
          warnings,
          ...(own === undefined ? {} : { own }),
          ...(variant.length === 0 ? {} : { variant }),
          ...(skip === undefined ? {} : { skip }),
        };
        cells.push(cell);
        if (skip === undefined && rolledBackToo(strategy, values))
          cells.push({
            ...cell,
            id: `${cell.id}/rolled-back`,
            rollsBack: { id: cell.id, share: HALF_WAY },
          });
      }
    }
  }
  if (mistakes.length > 0) throw new UsageError(mistakes);
  return cells;
}

function reasoned(need: Capability, provider: Provider): string {
  const why = provider.lacks?.(need);
  return why === undefined ? need : `${need} (${why})`;
}

/** How many combinations there are, without making them. */
const combinationsOf = (values: AxisValues): number =>
  [...values.values()].reduce((product, { length }) => product * length, 1);

/** A sentence for each axis that was typed and that none of the strategies heeds. */
const unheededOf = (strategies: readonly Strategy[], texts: AxisTexts): string[] =>
  Object.entries(texts).flatMap(([axis, text]) => {
    const heeders = strategies.map(({ ignores }) => ignores?.get(axis as AxisName));
    const [first] = heeders;
    return first === undefined || heeders.includes(undefined)
      ? []
      : [unheededAxis(axis as AxisName, text, first)];
  });

/** What whoever plays these cells should know before it begins, a line a warning. */
export const warningLines = (cells: readonly PlannedCell[]): string[] =>
  told(
    cells
      .filter(({ skip, rollsBack }) => skip === undefined && rollsBack === undefined)
      .map(({ id, warnings = [] }) => ({ name: id, warnings })),
  ).map(warningLine);

function combinations(values: AxisValues): Axes[] {
  let partial: Partial<Axes>[] = [{}];
  for (const name of Object.keys(AXES) as AxisName[]) {
    const choices = values.get(name);
    if (choices !== undefined)
      partial = partial.flatMap((axes) => choices.map((choice) => ({ ...axes, [name]: choice })));
  }
  return partial.map((given) => defaultAxes(given));
}
