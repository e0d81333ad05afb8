import { HALF_WAY } from '../analyses/release-length.ts';
import { refusesOwn } from '../config/own-gateway.ts';
import type { Axes, AxisName } from '../contracts/axes.ts';
import { AXES, type AxisTexts, optionName } from '../contracts/axes.ts';
import type { Capability, Provider } from '../contracts/cluster.ts';
import type { Config } from '../contracts/config.ts';
import type { Strategy } from '../contracts/scenario.ts';
import { needsOf } from '../contracts/scenario.ts';
import { UsageError } from '../errors.ts';

/** One cell to play, before any cluster is opened. */
export interface PlannedCell {
  readonly id: string;
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
}

const isRelease = ({ kind = 'release' }: Strategy) => kind === 'release';
const isAxis = (name: string): name is AxisName => name in AXES;
const optionOf = (axis: string) => `--${optionName(axis)}`;

/** Reads the values of each axis, adding every mistake to `mistakes` with its option, value and what is allowed. */
export function readAxes(texts: AxisTexts, mistakes: string[]): Map<AxisName, unknown[]> {
  const values = new Map<AxisName, unknown[]>();
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
 * The cells of a run: strategies x clusters x the values of every axis x repeats, in that order. A strategy's own
 * defaults give way to what the user typed.
 * @throws UsageError naming every value that is not allowed.
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
  const cells: PlannedCell[] = [];
  for (const strategy of options.strategies)
    for (const provider of options.providers) {
      const variants = options.compare ? strategy.variants : {};
      const variant = Object.keys(variants ?? {}).filter((name) => !(name in options.texts));
      const values = readAxes(
        { ...strategy.defaults, ...provider.given?.(), ...variants, ...options.texts },
        mistakes,
      );
      const varying = [...values].filter(([, list]) => list.length > 1).map(([name]) => name);
      for (const axes of combinations(values))
        for (let repeat = 0; repeat < options.repeat; repeat++) {
          const parts = [
            strategy.name,
            ...(options.providers.length > 1 ? [provider.name] : []),
            ...varying.map((name) => `${name}=${AXES[name].show(axes[name] as never)}`),
            ...(options.repeat > 1 ? [`seed=${options.seed + repeat}`] : []),
          ];
          const missing = needsOf(strategy, axes).filter((need) => !provider.offers.has(need));
          const skip =
            missing.length > 0
              ? `${provider.name} does not offer ${missing.map((need) => reasoned(need, provider)).join(', ')}`
              : ((own && refusesOwn(own, strategy, provider, axes)) ?? provider.refuses(axes));
          const cell: PlannedCell = {
            id: parts.join('/'),
            strategy,
            provider,
            axes,
            seed: options.seed + repeat,
            ...(own === undefined ? {} : { own }),
            ...(variant.length === 0 ? {} : { variant }),
            ...(skip === undefined ? {} : { skip }),
          };
          cells.push(cell);
          if (options.compare && skip === undefined && isRelease(strategy) && !values.has('rollbackAfter'))
            cells.push({
              ...cell,
              id: `${cell.id}/rolled-back`,
              rollsBack: { id: cell.id, share: HALF_WAY },
            });
        }
    }
  return cells;
}

function reasoned(need: Capability, provider: Provider): string {
  const why = provider.lacks?.(need);
  return why === undefined ? need : `${need} (${why})`;
}

function combinations(values: Map<AxisName, unknown[]>): Axes[] {
  let partial: Partial<Axes>[] = [{}];
  for (const name of Object.keys(AXES) as AxisName[]) {
    const choices = values.get(name) ?? [AXES[name].schema.parse(AXES[name].fallback)];
    partial = partial.flatMap((axes) => choices.map((choice) => ({ ...axes, [name]: choice })));
  }
  return partial as Axes[];
}
