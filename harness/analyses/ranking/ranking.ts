import type { Axes, AxisName } from '../../contracts/axes.ts';
import { AXES } from '../../contracts/axes.ts';
import type { CellHeader } from '../../contracts/event.ts';
import type { CellDocument } from '../cell-document.ts';
import { type CriterionName, RANKING_CRITERIA, type Value } from './ranking-criteria.ts';

/** A cell that was played, as the ranking looks at it. */
export interface PlayedCell {
  readonly header: CellHeader;
  readonly document: CellDocument;
}

/** A cell that was not. */
export interface UnplayedCell {
  readonly header: CellHeader;
  readonly why: string;
}

/** A value in one criterion: the worst over all conditions, and where it was that. */
interface Worst {
  readonly value: Value;
  /** Whole steps that can be told apart; Infinity where the value is null or `never`. */
  readonly level: number;
  /** The conditions of that cell, such as `policy Local`; empty where all cells had the same. */
  readonly where: string;
}

/** Why one candidate is no worse than another in anything, and better in something. */
export interface Dominance {
  readonly by: string;
  readonly betterIn: readonly CriterionName[];
  /** What the other requires and this one does not. */
  readonly spares: readonly string[];
}

/** A strategy with its own settings, played under every condition. */
export interface Candidate {
  /** The strategy, and the settings in which candidates differ: `handoff (handoffBy holder)`. */
  readonly name: string;
  readonly strategy: string;
  readonly requires: readonly string[];
  readonly values: Readonly<Record<CriterionName, Worst>>;
  /** Criteria in which no other candidate is better, although some are worse. */
  readonly bestIn: readonly CriterionName[];
  /** Empty: on the Pareto front, so that choosing it is a trade and no mistake. */
  readonly dominatedBy: readonly Dominance[];
}

/** All candidates of one cluster, compared over the same conditions. */
export interface Ranking {
  readonly cluster: string;
  readonly evidence: 'modelled' | 'measured';
  /** Fewest clients of any cell: what 0 % means depends on them. */
  readonly clients: number;
  /** Conditions that were the same for all, such as `balancer target-pool`. */
  readonly common: readonly string[];
  /** The conditions that every candidate was played under, such as `policy Cluster`. */
  readonly conditions: readonly string[];
  /** Not dominated ones first. */
  readonly candidates: readonly Candidate[];
  /** Strategies of which nothing can be said, with the reason. */
  readonly unknown: readonly { readonly name: string; readonly why: string }[];
}

/** What a release finds and does not choose; all other axes are a candidate's own settings. */
const CONDITIONS: ReadonlySet<AxisName> = new Set<AxisName>([
  'policy',
  'nodes',
  'pods',
  'clients',
  'backoff',
  'backoffModel',
  'connectTimeout',
  'heartbeat',
  'keepalive',
  'handshakeCpu',
  'messageCpu',
  'podCpu',
  'podMemory',
  'connectionMemory',
  'recoverWithin',
  'balancer',
  'proxy',
  'secondService',
  'kubernetes',
  'dnsTtl',
  'tcpLoose',
]);
const SETTINGS = (Object.keys(AXES) as AxisName[]).filter(
  (name) => !CONDITIONS.has(name) && name !== 'rollbackAfter',
);

/** Conditions that nothing comes of. */
const isIdle = (name: AxisName, axes: Axes): boolean =>
  show(axes, name) === 'unlimited' ||
  (name === 'keepalive' && axes.keepalive === undefined) ||
  (name === 'connectionMemory' && axes.podMemory === undefined) ||
  (name === 'recoverWithin' && axes.podCpu === undefined);

const show = (axes: Axes, name: AxisName): string => AXES[name].show(axes[name] as never);
const byName = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** The axes among `names` in which the cells differ. */
function varying(headers: readonly CellHeader[], names: Iterable<AxisName>): AxisName[] {
  return [...names].filter((name) => new Set(headers.map(({ axes }) => show(axes, name))).size > 1);
}

function groupBy<T>(items: readonly T[], key: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const group = groups.get(key(item));
    if (group === undefined) groups.set(key(item), [item]);
    else group.push(item);
  }
  return groups;
}

/**
 * Ranks the release strategies of a run, one ranking a cluster: each with its worst value over all conditions in every
 * criterion. A candidate that was not played under every condition, or whose verdict is unknown under one, is named
 * with the reason and not ranked. Experiments, predictions and releases that the user interrupted are left out. The
 * order of the cells does not matter.
 */
export function rank(played: readonly PlayedCell[], unplayed: readonly UnplayedCell[] = []): Ranking[] {
  const counts = ({ header: { kind = 'release', predicts, axes, rollsBack } }: { header: CellHeader }) =>
    kind === 'release' &&
    predicts === undefined &&
    (axes.rollbackAfter === undefined || rollsBack !== undefined);
  const cells = played.filter(counts);
  const skipped = unplayed.filter(counts).filter(({ header }) => header.rollsBack === undefined);
  const clusters = [...new Set([...cells, ...skipped].map(({ header }) => header.cluster))].sort(byName);
  return clusters.map((cluster) =>
    rankCluster(
      cluster,
      cells.filter(({ header }) => header.cluster === cluster),
      skipped.filter(({ header }) => header.cluster === cluster),
    ),
  );
}

function rankCluster(cluster: string, all: readonly PlayedCell[], skipped: readonly UnplayedCell[]): Ranking {
  const cells = all.filter(({ header }) => header.rollsBack === undefined);
  const rolledBack = new Map(
    all.flatMap(({ header, document }) =>
      header.rollsBack === undefined ? [] : [[header.rollsBack, document] as const],
    ),
  );
  const headers = [...cells, ...skipped].map(({ header }) => header);
  const nameOf = namer(headers);
  const differing = varying(
    cells.map(({ header }) => header),
    CONDITIONS,
  );
  const axes = cells[0]?.header.axes;
  const repeated = new Set(cells.map(({ header }) => header.seed)).size > 1;
  const conditionOf = ({ axes, seed }: CellHeader) =>
    [...differing.map((name) => `${name} ${show(axes, name)}`), ...(repeated ? [`seed ${seed}`] : [])].join(
      ', ',
    );
  const conditions = [...new Set(cells.map(({ header }) => conditionOf(header)))].sort(byName);
  const groups = groupBy<PlayedCell | UnplayedCell>([...cells, ...skipped], ({ header }) => nameOf(header));
  const unknown: { name: string; why: string }[] = [];
  const ranked: Candidate[] = [];
  for (const [name, group] of groups) {
    const own = group.filter((cell) => 'document' in cell);
    const why = doubt(group, conditions, conditionOf);
    if (why === undefined) ranked.push(candidate(name, own, rolledBack, conditionOf));
    else unknown.push({ name, why });
  }
  return {
    cluster,
    evidence: headers[0]?.evidence ?? 'modelled',
    clients: Math.min(...cells.map(({ document }) => document.clients)),
    common: [...CONDITIONS]
      .filter((name) => !differing.includes(name) && axes !== undefined && !isIdle(name, axes))
      .flatMap((name) => (axes === undefined ? [] : [`${name} ${show(axes, name)}`])),
    conditions: conditions.filter((text) => text !== ''),
    candidates: compared(ranked),
    unknown: unknown.sort((a, b) => byName(a.name, b.name)),
  };
}

/** Names a cell's candidate by its strategy and by those settings in which its cells differ, or that make it a variant. */
function namer(headers: readonly CellHeader[]): (header: CellHeader) => string {
  const within = new Map(
    [...groupBy(headers, ({ strategy }) => strategy)].map(([strategy, own]) => [
      strategy,
      varying(own, SETTINGS),
    ]),
  );
  return ({ strategy, axes, variant = [] }) => {
    const own = within.get(strategy) ?? [];
    const settings = SETTINGS.filter(
      (name) => own.includes(name) || (variant.includes(name) && show(axes, name) !== AXES[name].fallback),
    );
    const text = settings.map((name) => `${name} ${show(axes, name)}`).join(', ');
    return text === '' ? strategy : `${strategy} (${text})`;
  };
}

/** Why a candidate cannot be ranked, or undefined. */
function doubt(
  group: readonly (PlayedCell | UnplayedCell)[],
  conditions: readonly string[],
  conditionOf: (header: CellHeader) => string,
): string | undefined {
  const reasons = group.flatMap((cell) => {
    const where = conditionOf(cell.header);
    const at = where === '' ? '' : ` (${where})`;
    if (!('document' in cell)) return [`${cell.why}${at}`];
    return cell.document.verdict === 'unknown' ? [`${cell.document.why.join('; ')}${at}`] : [];
  });
  if (reasons.length > 0) {
    const same = new Set(group.map((cell) => ('why' in cell ? cell.why : undefined)));
    const [only] = same;
    return same.size === 1 && only !== undefined ? only : reasons.sort(byName).join('; ');
  }
  const own = new Set(group.map(({ header }) => conditionOf(header)));
  const missing = conditions.filter((condition) => !own.has(condition));
  return missing.length === 0 ? undefined : `not played with ${missing.join('; ')}`;
}

function candidate(
  name: string,
  cells: readonly PlayedCell[],
  rolledBack: ReadonlyMap<string, CellDocument>,
  conditionOf: (header: CellHeader) => string,
): Candidate {
  const worst = RANKING_CRITERIA.map(({ name: criterion, value, level }) => {
    const values = cells.map(({ header, document }): Worst => {
      const of = value(document, rolledBack.get(header.id));
      return { value: of, level: level(of, document), where: conditionOf(header) };
    });
    values.sort((a, b) => b.level - a.level || size(b.value) - size(a.value) || byName(a.where, b.where));
    return [criterion, values[0] as Worst] as const;
  });
  return {
    name,
    strategy: cells[0]?.header.strategy ?? name,
    requires: [...new Set(cells.flatMap(({ header }) => header.requires ?? []))].sort(byName),
    values: Object.fromEntries(worst) as Record<CriterionName, Worst>,
    bestIn: [],
    dominatedBy: [],
  };
}

/** A difference of two unknown sizes must not be NaN. */
const size = (value: Value): number => (typeof value === 'number' ? value : Number.MAX_VALUE);

/** Says of each candidate what it is best in and what dominates it, and puts them in order. */
function compared(candidates: readonly Candidate[]): Candidate[] {
  const known = RANKING_CRITERIA.map(({ name }) => name).filter((name) =>
    candidates.some(({ values }) => values[name].value !== null),
  );
  const full = candidates.map((one): Candidate => {
    const bestIn = known.filter((name) => {
      const levels = candidates.map(({ values }) => values[name].level);
      const best = Math.min(...levels);
      return one.values[name].level === best && levels.some((level) => level > best);
    });
    const dominatedBy = candidates.flatMap((other) => {
      const dominance = dominates(other, one, known);
      return dominance === undefined ? [] : [dominance];
    });
    return { ...one, bestIn, dominatedBy: dominatedBy.sort((a, b) => byName(a.by, b.by)) };
  });
  return full.sort(
    (a, b) => Math.sign(a.dominatedBy.length) - Math.sign(b.dominatedBy.length) || byPreference(a, b),
  );
}

/**
 * `one` dominates `other` when it requires nothing that the other does not, is not worse in any criterion, and is
 * better in one or requires less. Where either has no value nothing is said.
 */
function dominates(
  one: Candidate,
  other: Candidate,
  criteria: readonly CriterionName[],
): Dominance | undefined {
  if (one === other || !one.requires.every((requirement) => other.requires.includes(requirement))) return;
  const betterIn: CriterionName[] = [];
  for (const name of criteria) {
    const [mine, theirs] = [one.values[name], other.values[name]];
    if (mine.value === null || theirs.value === null || mine.level > theirs.level) return;
    if (mine.level < theirs.level) betterIn.push(name);
  }
  const spares = other.requires.filter((requirement) => !one.requires.includes(requirement));
  return betterIn.length + spares.length === 0 ? undefined : { by: one.name, betterIn, spares };
}

/** The criteria in their order; among equals, who requires less. Nobody stands before one that dominates it. */
export function byPreference(a: Candidate, b: Candidate): number {
  for (const { name } of RANKING_CRITERIA) {
    const [mine, theirs] = [a.values[name].level, b.values[name].level];
    if (mine !== theirs) return mine < theirs ? -1 : 1;
  }
  return a.requires.length - b.requires.length || byName(a.name, b.name);
}
