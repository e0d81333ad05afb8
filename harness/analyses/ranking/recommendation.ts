import { EFFORTS, type Effort, effortOf } from '../../contracts/requirements.ts';
import { BOUNDS } from '../verdict.ts';
import {
  byPreference,
  type Candidate,
  type PlayedCell,
  type Ranking,
  rank,
  type UnplayedCell,
} from './ranking.ts';
import { type CriterionName, RANKING_CRITERIA } from './ranking-criteria.ts';

/** What a release must keep to, whatever else it is good in. */
interface Want {
  readonly criterion: CriterionName;
  /** Largest value that is still what is wanted; every finite one where it is Infinity. */
  readonly atMost: number;
}

/**
 * The asker's situation: each client is to be dropped only once, never all at once, landing on the new version, and
 * everybody is to come back; nobody can change the clients. The back-off, the balancer and the policies are conditions
 * of the run.
 */
const ASKER: { readonly wants: readonly Want[]; readonly cannot: readonly Effort[] } = {
  wants: [
    { criterion: 'droppedTwice', atMost: 0 },
    { criterion: 'collateral', atMost: 0 },
    { criterion: 'landedOnOld', atMost: 0 },
    { criterion: 'lostWithin10Seconds', atMost: BOUNDS.lossIn10Seconds },
    { criterion: 'convergence', atMost: Number.POSITIVE_INFINITY },
    { criterion: 'recovery', atMost: Number.POSITIVE_INFINITY },
  ],
  cannot: ['clients'],
};

/** What to do in one case of what the asker does not know. */
export interface RecommendedCase {
  /** `policy Local`; empty: whatever it is. */
  readonly when: string;
  readonly candidates: readonly Candidate[];
  /** The best of those that keep to all wants with the least effort; null: nothing that was played does. */
  readonly pick: Candidate | null;
  /** The best with more effort (a component, another gateway, other clients), where better in something than the pick. */
  readonly more: readonly { readonly candidate: Candidate; readonly betterIn: readonly CriterionName[] }[];
  /** All others that keep to all wants. */
  readonly keepingToo: readonly Candidate[];
  /** All others, with the wants that they do not keep to. */
  readonly failing: readonly { readonly candidate: Candidate; readonly misses: readonly CriterionName[] }[];
}

/** What the numbers of one cluster recommend to the asker. */
interface Recommendation {
  readonly cluster: string;
  /** Where several policies were played, whatever the policy is; then policy by policy. */
  readonly cases: readonly RecommendedCase[];
}

/** A ranking with what it recommends. */
export type Advice = Ranking & { readonly recommendation: Recommendation };

/** Ranks a run and says what its numbers recommend in the asker's situation, whose policy is unknown. */
export function advise(played: readonly PlayedCell[], unplayed: readonly UnplayedCell[] = []): Advice[] {
  const policies = [...new Set(played.map(({ header }) => header.axes.policy))].sort();
  const byPolicy = policies.map((policy) => {
    const own = <T extends { header: PlayedCell['header'] }>(cells: readonly T[]) =>
      cells.filter(({ header }) => header.axes.policy === policy);
    return { when: `policy ${policy}`, rankings: rank(own(played), own(unplayed)) };
  });
  return rank(played, unplayed).map((ranking) => {
    // Of one policy nothing can be said for whatever the policy is.
    const whatever = policies.length < 2 ? [] : [{ when: '', rankings: [ranking] }];
    const cases = [...whatever, ...byPolicy].flatMap(({ when, rankings }) => {
      const own = rankings.find(({ cluster }) => cluster === ranking.cluster);
      return own === undefined || own.candidates.length === 0 ? [] : [recommend(when, own.candidates)];
    });
    return { ...ranking, recommendation: { cluster: ranking.cluster, cases } };
  });
}

/** From what a candidate requires, the most that it takes. */
export function effort({ requires }: Pick<Candidate, 'requires'>): Effort {
  const efforts = requires.map(effortOf);
  return EFFORTS.findLast((one) => efforts.includes(one)) ?? 'capacity';
}

/** Who can be chosen without any new component, with one, with another gateway, with other clients. */
const TIERS: readonly (readonly Effort[])[] = [
  ['capacity', 'endpoint'],
  ['component'],
  ['rebuild'],
  ['clients'],
];

function recommend(when: string, candidates: readonly Candidate[]): RecommendedCase {
  const judged = candidates.map((candidate) => ({ candidate, misses: misses(candidate) }));
  const keeping = judged
    .filter(({ misses: missed }) => missed.length === 0)
    .map(({ candidate }) => candidate)
    .sort(byPreference);
  const best = TIERS.flatMap((tier) => keeping.find((candidate) => tier.includes(effort(candidate))) ?? []);
  const pick = best.find((candidate) => !ASKER.cannot.includes(effort(candidate))) ?? null;
  const more = best.flatMap((candidate) => {
    if (candidate === pick) return [];
    const betterIn = RANKING_CRITERIA.map(({ name }) => name).filter(
      (name) => pick === null || candidate.values[name].level < pick.values[name].level,
    );
    return betterIn.length === 0 ? [] : [{ candidate, betterIn }];
  });
  const told = [pick, ...more.map(({ candidate }) => candidate)];
  return {
    when,
    candidates,
    pick,
    more,
    keepingToo: keeping.filter((candidate) => !told.includes(candidate)),
    failing: judged.filter(({ misses: missed }) => missed.length > 0),
  };
}

const isOptional = (name: CriterionName) =>
  RANKING_CRITERIA.some((one) => one.name === name && one.onlyLimited === true);

function misses({ values }: Candidate): CriterionName[] {
  return ASKER.wants.flatMap(({ criterion, atMost }) => {
    const { value } = values[criterion];
    if (value === null && isOptional(criterion)) return [];
    return typeof value === 'number' && value <= atMost ? [] : [criterion];
  });
}
