import type { Candidate, Dominance } from '../../harness/analyses/ranking/ranking.ts';
import {
  type Criterion,
  type CriterionName,
  RANKING_CRITERIA,
  type Value,
} from '../../harness/analyses/ranking/ranking-criteria.ts';
import { type Advice, effort, type RecommendedCase } from '../../harness/analyses/ranking/recommendation.ts';
import type { Effort } from '../../harness/contracts/requirements.ts';
import { wilsonInterval } from '../../harness/statistics/statistics.ts';
import { count, listed, percent, rate, time } from './words.ts';

/** What candidates are told to be compared in: without limits of pods, nothing of these. */
export const toldCriteria = (candidates: readonly Candidate[]): Criterion[] =>
  RANKING_CRITERIA.filter(
    ({ name, onlyLimited }) => !onlyLimited || candidates.some(({ values }) => values[name].value !== null),
  );

const criterion = (name: CriterionName): Criterion =>
  RANKING_CRITERIA.find((one) => one.name === name) as Criterion;

/** A value in its unit; a dash where nothing is known. */
export function showValue({ unit }: Pick<Criterion, 'unit'>, value: Value): string {
  if (value === null) return '–';
  if (value === 'never') return 'never';
  switch (unit) {
    case 'share':
      return percent(value);
    case 'per second':
      return `${rate(value)}/s`;
    case 'time':
      return time(Math.round(value / 1000) * 1000);
    case 'per client':
      return value === 0 || value >= 0.005 ? value.toFixed(2) : '< 0.01';
    case 'pods':
      return `+${value}`;
    case 'count':
      return count(value);
  }
}

/** A criterion with its number, as a clause: `12.3 % dropped more than once`. */
const CLAUSES: Readonly<Record<CriterionName, (value: string) => string>> = {
  droppedTwice: (value) => `${value} of the clients dropped more than once`,
  collateral: (value) => `${value} dropped although their pod still served them`,
  landedOnOld: (value) => `${value} landing on the old version`,
  lostWithin10Seconds: (value) => `${value} lost within ten seconds`,
  mostAway: (value) => `${value} away at once`,
  peakReconnects: (value) => `a peak of ${value} reconnects`,
  rollback: (value) => `${value} disconnects a client when rolled back half-way`,
  convergence: (value) => (value === 'never' ? 'not everybody on v2 at the end' : `all on v2 after ${value}`),
  extraPods: (value) => `${value} pods`,
  skew: (value) => `${value} more than the mean on the fullest pod at the end`,
  recovery: (value) =>
    value === 'never' ? 'the service not itself again in time' : `the service itself again after ${value}`,
  podsFallen: (value) => `${value} pods that fell`,
};

const clause = ({ values }: Candidate, name: CriterionName): string =>
  CLAUSES[name](showValue(criterion(name), values[name].value));

const NUMBERS: readonly CriterionName[] = [
  'droppedTwice',
  'lostWithin10Seconds',
  'mostAway',
  'peakReconnects',
  'rollback',
  'convergence',
  'extraPods',
  'recovery',
  'podsFallen',
];

/** The numbers that a choice is defended with. */
const numbers = (candidate: Candidate) =>
  NUMBERS.filter((name) => candidate.values[name].value !== null)
    .map((name) => clause(candidate, name))
    .join(', ');

const needs = ({ requires }: Candidate) =>
  requires.length === 0 ? 'it requires nothing' : `it requires ${listed(requires)}`;

/** `rolling-update is dominated by paced-drain, which is better in peak reconnects and requires less: ...`. */
export function dominance({ by, betterIn, spares }: Dominance): string {
  const better =
    betterIn.length === 0 ? [] : [`is better in ${listed(betterIn.map((name) => criterion(name).title))}`];
  const less = spares.length === 0 ? [] : [`does without ${listed(spares)}`];
  return `${by} is worse in nothing and ${[...better, ...less].join(', and ')}`;
}

/** What speaks for and against a candidate, beside all others. */
export interface TradeOff {
  readonly name: string;
  /** Criteria in which nobody is better, unless most are as good. */
  readonly wins: readonly CriterionName[];
  /** Criteria in which more than half of the others are better. */
  readonly pays: readonly CriterionName[];
}

export function tradeOff(candidate: Candidate, candidates: readonly Candidate[]): TradeOff {
  const { name, bestIn, values } = candidate;
  const others = candidates.filter((other) => other !== candidate);
  const many = (criterionName: CriterionName, than: (other: number, own: number) => boolean) =>
    2 *
      others.filter((other) => than(other.values[criterionName].level, values[criterionName].level)).length >
    others.length;
  return {
    name,
    wins: bestIn.filter((one) => many(one, (other, own) => other > own)),
    pays: RANKING_CRITERIA.map((one) => one.name).filter(
      (one) => values[one].value !== null && many(one, (other, own) => other < own),
    ),
  };
}

/** `away at once (12.3 %) and extra pods (+2)`. */
export const withValues = ({ values }: Candidate, names: readonly CriterionName[]): string =>
  listed(names.map((name) => `${criterion(name).title} (${showValue(criterion(name), values[name].value)})`));

/** A candidate's trade in one line. */
export function tradeLine(candidate: Candidate, candidates: readonly Candidate[]): string {
  const { dominatedBy } = candidate;
  if (dominatedBy.length > 0) {
    const others = dominatedBy.length > 1 ? ` (and ${dominatedBy.length - 1} more)` : '';
    return `dominated: ${dominance(dominatedBy[0] as Dominance)}${others}`;
  }
  const { wins, pays } = tradeOff(candidate, candidates);
  return [
    wins.length === 0 ? [] : `among the best in ${withValues(candidate, wins)}`,
    pays.length === 0 ? [] : `pays with ${withValues(candidate, pays)}`,
    needs(candidate),
  ]
    .flat()
    .join('; ');
}

const SITUATION =
  'For a team that cannot change its clients, who take minutes to come back; each is to be dropped only once, never all at once (at most half within ten seconds), landing on the new version; externalTrafficPolicy is unknown';

/** What the recommendation takes for granted, what this run did not try of it, and what a 0 in it means. */
export function situation({ common, conditions, recommendation, evidence, clients }: Advice): string {
  const either = recommendation.cases.some(({ when }) => when === '');
  return [
    `${SITUATION}.`,
    conditions.length === 0 ? '' : `Worst of: ${conditions.join('; ')}.`,
    `Played with ${common.join(', ')}.`,
    either
      ? ''
      : 'Only one policy was played, so this holds for that one (--policy Cluster,Local plays both).',
    clients === 0
      ? ''
      : `0 % of ${count(clients)} clients is less than ${percent(wilsonInterval(0, clients)[1])} with 95 % certainty.`,
    evidence === 'modelled' ? 'All numbers are modelled.' : 'All numbers are measured.',
  ]
    .filter((sentence) => sentence !== '')
    .join(' ');
}

/** The cases worth telling: a policy whose choice is the same as whatever the policy is adds nothing. */
export function toldCases({ cases }: Advice['recommendation']): RecommendedCase[] {
  const [whatever] = cases;
  return cases.filter((each) => each === whatever || each.pick?.name !== whatever?.pick?.name);
}

/** Why a pick takes what it takes. */
const LACKING: Partial<Record<Effort, string>> = {
  component: '. Nothing without a new component keeps to all of that',
  rebuild: '. Nothing but another gateway keeps to all of that',
};

/** Under which condition something better can be had. */
const GIVEN: Readonly<Record<Effort, string>> = {
  capacity: 'Better',
  endpoint: 'Better',
  component: 'If a component can be put into the path',
  rebuild: 'If the gateway can be built otherwise',
  clients: 'If the clients could be changed after all',
};

/** What is recommended in one case, in sentences, each with its numbers. */
export interface Recommended {
  /** `Whatever the policy is` or `With policy Local`. */
  readonly where: string;
  readonly choice: string;
  /** What more effort would gain. */
  readonly better: readonly string[];
  /** What else keeps to everything. */
  readonly also: readonly string[];
  /** Why none of the others. */
  readonly not: readonly string[];
}

export function recommended({ when, pick, more, keepingToo, failing }: RecommendedCase): Recommended {
  return {
    where: when === '' ? 'Whatever the policy is' : `With ${when}`,
    choice:
      pick === null
        ? 'nothing that was played keeps to all of that'
        : `${pick.name}: ${numbers(pick)}; ${needs(pick)}${LACKING[effort(pick)] ?? ''}`,
    better: more.map(({ candidate, betterIn }) => {
      const gains = betterIn.map((name) => {
        const one = criterion(name);
        const own = showValue(one, candidate.values[name].value);
        return `${one.title} ${own} instead of ${showValue(one, pick?.values[name].value ?? null)}`;
      });
      return `${GIVEN[effort(candidate)]}: ${candidate.name}: ${pick === null ? numbers(candidate) : gains.join(', ')}; ${needs(candidate)}`;
    }),
    also:
      keepingToo.length === 0
        ? []
        : [`These keep to all of that as well: ${keepingToo.map(({ name }) => name).join(', ')}`],
    // Each is named once, with the first that it misses.
    not: RANKING_CRITERIA.flatMap((one) => {
      const own = failing.filter(({ misses }) => misses[0] === one.name).map(({ candidate }) => candidate);
      const values = own.map(
        (candidate) => `${candidate.name} ${showValue(one, candidate.values[one.name].value)}`,
      );
      return own.length === 0 ? [] : [`Not, because of ${one.title}: ${values.join(', ')}`];
    }),
  };
}

/** The same as lines: the choice first. */
export function recommendedLines(each: RecommendedCase): string[] {
  const { where, choice, better, also, not } = recommended(each);
  return [`${where}: ${choice}`, ...better, ...also, ...not];
}
