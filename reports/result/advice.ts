import type { Candidate } from '../../harness/analyses/ranking/ranking.ts';
import {
  type CriterionName,
  RANKING_CRITERIA,
  type Value,
} from '../../harness/analyses/ranking/ranking-criteria.ts';
import { type Advice, advise, type RecommendedCase } from '../../harness/analyses/ranking/recommendation.ts';
import type { StoredRun } from '../stored/stored-run.ts';
import { isAnalysed } from '../stored/stored-run.ts';

/** The rankings of a run, one a cluster; none where there are not at least two releases to compare. */
export function adviceOf({ cells }: StoredRun): Advice[] {
  const played = cells.filter(isAnalysed).map(({ header, result: { document } }) => ({ header, document }));
  const unplayed = cells.flatMap((cell) =>
    isAnalysed(cell) ? [] : [{ header: cell.header, why: cell.skipped }],
  );
  return advise(played, unplayed).filter(({ candidates }) => candidates.length > 1);
}

/** A value and the conditions under which it was the worst. */
interface ValueDocument {
  readonly value: Value;
  readonly where: string;
}

/** One ranking as `--format json` and report.json show it: names stand for candidates. */
export interface RankingDocument {
  readonly cluster: string;
  readonly evidence: 'modelled' | 'measured';
  /** Fewest clients of any cell. */
  readonly clients: number;
  readonly common: readonly string[];
  readonly conditions: readonly string[];
  readonly criteria: readonly {
    readonly name: CriterionName;
    readonly title: string;
    readonly unit: string;
  }[];
  readonly candidates: readonly (Omit<Candidate, 'values'> & {
    readonly values: Readonly<Record<CriterionName, ValueDocument>>;
  })[];
  readonly unknown: Advice['unknown'];
  readonly recommendation: readonly {
    readonly when: string;
    readonly pick: string | null;
    readonly more: readonly { readonly name: string; readonly betterIn: readonly CriterionName[] }[];
    readonly keepingToo: readonly string[];
    readonly failing: readonly { readonly name: string; readonly misses: readonly CriterionName[] }[];
  }[];
}

export function rankingDocument({ candidates, recommendation, ...advice }: Advice): RankingDocument {
  return {
    cluster: advice.cluster,
    evidence: advice.evidence,
    clients: advice.clients,
    common: advice.common,
    conditions: advice.conditions,
    criteria: RANKING_CRITERIA.map(({ name, title, unit }) => ({ name, title, unit })),
    candidates: candidates.map(({ values, ...candidate }) => ({
      ...candidate,
      values: Object.fromEntries(
        RANKING_CRITERIA.map(({ name }) => [name, { value: values[name].value, where: values[name].where }]),
      ) as Record<CriterionName, ValueDocument>,
    })),
    unknown: advice.unknown,
    recommendation: recommendation.cases.map(caseDocument),
  };
}

const caseDocument = ({ when, pick, more, keepingToo, failing }: RecommendedCase) => ({
  when,
  pick: pick?.name ?? null,
  more: more.map(({ candidate, betterIn }) => ({ name: candidate.name, betterIn })),
  keepingToo: keepingToo.map(({ name }) => name),
  failing: failing.map(({ candidate, misses }) => ({ name: candidate.name, misses })),
});
