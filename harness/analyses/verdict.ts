import type { CellHeader } from '../contracts/event.ts';
import type { Millis } from '../time/duration.ts';
import { formatDuration } from '../time/duration.ts';
import type { Background } from './background.ts';
import type { CapacityDocument } from './capacity/capacity.ts';
import type { FleetResult } from './clients/fleet.ts';
import type { Landings } from './clients/landings.ts';
import type { Rates } from './clients/rates.ts';
import { isSkewed, type Shape } from './clients/shape.ts';
import type { StepSpan } from './history.ts';
import type { Innocence } from './innocence.ts';
import type { LedgerRow } from './ledger/ledger.ts';
import type { Sayings } from './sayings.ts';

export type VerdictName = 'pass' | 'fail' | 'unknown';

/** What a good release is measured by; one place for all bounds. */
export interface Bounds {
  /** Largest share of the clients that may notice their loss within ten successive seconds. */
  readonly lossIn10Seconds: number;
  /** Event-loop lag and clock drift of the harness, as a share of the heartbeat period, that could pass for a drop. */
  readonly lagOfHeartbeat: number;
  /** Largest share of the clients of a measured cell that may have a drop without a cause; of a modelled one, none. */
  readonly unattributed: number;
}

export const BOUNDS: Bounds = { lossIn10Seconds: 0.5, lagOfHeartbeat: 0.5, unattributed: 0.005 };

/** What the criteria look at. */
export interface Findings {
  readonly cell: CellHeader;
  readonly fleet: FleetResult;
  readonly rates: Rates;
  readonly landings: Landings;
  readonly innocence: Innocence;
  readonly history: { readonly steps: readonly StepSpan[] };
  readonly sayings: Sayings;
  readonly capacity: CapacityDocument | null;
  readonly background: Background | null;
  readonly shape: Shape | null;
  readonly rows: readonly LedgerRow[];
  /** Analyses that threw, with their message. */
  readonly broken: readonly string[];
}

/** How one criterion came out, and the sentence that says so. */
export interface CriterionResult {
  readonly name: string;
  readonly outcome: VerdictName;
  readonly says: string;
}

interface Criterion {
  readonly name: string;
  /** It is told beside a verdict that is not in doubt, and decides none. */
  readonly isNote?: true;
  /** Undefined where it has nothing to say. */
  judge(findings: Findings, bounds: Bounds): Omit<CriterionResult, 'name'> | undefined;
}

const count = (number: number) => Math.round(number).toLocaleString('en-US');
const clients = (number: number) => `${count(number)} client${number === 1 ? '' : 's'}`;
const were = (number: number) => (number === 1 ? 'was' : 'were');
const percent = (share: number) => `${(100 * share).toFixed(share > 0 && share < 0.1 ? 1 : 0)} %`;
const lagLimit = (cell: CellHeader, bounds: Bounds): Millis => cell.axes.heartbeat * bounds.lagOfHeartbeat;

/** The share of the drops since a watched release began that the background may explain before they say nothing of it. */
const MOST_BACKGROUND = 0.5;

const perHour = (rate: number) => (rate < 10 ? rate.toPrecision(2) : count(Math.round(rate)));

const NOT_TRIED = 'what was promised was not tried';

const good = (says: string) => ({ outcome: 'pass' as const, says });
const bad = (says: string) => ({ outcome: 'fail' as const, says });
const unknown = (says: string) => ({ outcome: 'unknown' as const, says });

/** The criteria of a release, in the order in which they are told; the first group decides whether to believe the rest. */
const CRITERIA: readonly Criterion[] = [
  {
    name: 'finished',
    judge: ({ innocence: { outcome, why } }) =>
      outcome === 'finished'
        ? good('the cell ran to its end')
        : unknown(
            outcome === 'missing'
              ? "the log breaks off before the cell's end"
              : `${outcome === 'failed' ? 'the release failed' : `the cell was ${outcome}`}${why === undefined ? '' : `: ${why}`}`,
          ),
  },
  {
    name: 'analysed',
    judge: ({ broken }) =>
      broken.length === 0
        ? good('every analysis came to a result')
        : unknown(`analysis failed: ${broken.join('; ')}`),
  },
  {
    name: 'everybody connected first',
    judge: ({ cell, fleet }) =>
      fleet.clients >= cell.axes.clients
        ? good(`all ${clients(fleet.clients)} were connected`)
        : unknown(`only ${count(fleet.clients)} of ${clients(cell.axes.clients)} were ever connected`),
  },
  {
    name: 'what was promised was tried',
    judge: ({ cell: { kind }, fleet, innocence, history, capacity, sayings: { reachedV2, strange } }) => {
      if (kind === undefined) return good('logs from before cells had a kind do not say what was promised');
      // What was cut short is unknown for that, and may have been on its way.
      if (innocence.outcome !== 'finished') return good('what was promised was on its way');
      const steps = history.steps.filter(({ phase }) => phase === 'release');
      if (kind === 'watch')
        return steps.length > 0
          ? good('a release was watched')
          : unknown('no release was seen: what was lost is background, and says nothing of one');
      if (steps.length === 0) return unknown(`${NOT_TRIED}: no step of the release was played`);
      if (history.steps.some(({ phase }) => phase === 'rollback'))
        return good('the release was interrupted and rolled back');
      if (kind === 'experiment')
        return steps.some(({ cutOver, fault }) => cutOver || fault)
          ? good('what the question is about was done')
          : unknown(`${NOT_TRIED}: no step of the release changed anything`);
      if (reachedV2 > 0) return good(`${clients(reachedV2)} came to v2`);
      if (capacity?.outcome === 'collapses') return good('nobody came to v2, for the service collapsed');
      if (strange.length > 0) return good('who came to v2 cannot be told');
      return unknown(
        `${NOT_TRIED}: none of ${clients(fleet.clients)} ever came to v2, so that nothing is shown of their way there`,
      );
    },
  },
  {
    name: 'gateways say what they are',
    judge: ({ sayings: { strange } }) =>
      strange.length === 0
        ? good('what gateways said of themselves fits what is known of them')
        : unknown(strange.join('; ')),
  },
  {
    name: 'control group untouched',
    judge: ({ fleet: { controlClients, controlDropped } }) =>
      controlDropped === 0
        ? good(
            controlClients === 0
              ? 'there was no control group'
              : `none of ${count(controlClients)} control clients was dropped`,
          )
        : unknown(
            `${count(controlDropped)} of ${count(controlClients)} control clients ${were(controlDropped)} dropped, on a pod that no step touches`,
          ),
  },
  {
    name: 'harness kept up',
    judge: ({ cell, innocence: { worstLag, worstLagPart, worstDrift, samples } }, bounds) => {
      const limit = lagLimit(cell, bounds);
      if (cell.evidence === 'modelled') return good('virtual time cannot lag');
      if (worstLag > limit)
        return unknown(
          `${worstLagPart === undefined ? 'the harness itself' : `the harness's ${worstLagPart}`} lagged by ${formatDuration(worstLag)}, more than ${formatDuration(limit)} (half of the heartbeat)`,
        );
      if (worstDrift > limit)
        return unknown(
          `the harness's clock drifted by ${formatDuration(worstDrift)}, more than ${formatDuration(limit)} (half of the heartbeat)`,
        );
      return good(
        samples === 0
          ? 'the harness logged no lag samples'
          : `the harness lagged by ${formatDuration(worstLag)} at most`,
      );
    },
  },
  {
    name: 'nodes stayed ready',
    judge: ({ innocence: { unwell } }) =>
      unwell.length === 0
        ? undefined
        : unknown(
            `the cluster itself was not well: ${unwell.map(({ node, at }) => `node ${node} ceased to be ready at ${formatDuration(at)}`).join(', ')}, which no step did`,
          ),
  },
  {
    name: 'harness whole',
    judge: ({ cell, innocence: { died } }) => {
      if (died.length === 0)
        return good(
          cell.evidence === 'modelled'
            ? 'a simulation has no parts that could die'
            : 'no part of the harness died',
        );
      const [first] = died as [(typeof died)[number]];
      const more = died.length > 1 ? `, and ${count(died.length - 1)} more after it` : '';
      return unknown(`the harness's own part died: ${first.part} (${first.why})${more}`);
    },
  },
  {
    name: 'every drop has a cause',
    judge: ({ cell, fleet, rows }, bounds) => {
      const without = new Set(rows.flatMap((row) => (row.cause === 'unattributed' ? [row.client] : []))).size;
      const share = fleet.clients === 0 ? 0 : without / fleet.clients;
      const most = cell.evidence === 'modelled' ? 0 : bounds.unattributed;
      if (share > most)
        return unknown(
          `the log shows no cause for the drops of ${clients(without)} (${percent(share)}, more than ${percent(most)}): unattributed`,
        );
      return good(
        without === 0
          ? 'every drop has a cause'
          : `${clients(without)} with an unattributed drop, not more than ${percent(most)}`,
      );
    },
  },
  {
    name: 'quiet before the release',
    judge: ({ background, rows }) => {
      if (background === null) return undefined;
      const { disconnects, overMillis, perThousandAnHour, expected } = background;
      const seen = `${count(disconnects)} connection${disconnects === 1 ? '' : 's'} lost in ${formatDuration(overMillis)} before the release began`;
      if (disconnects === 0) return good(`${seen}: no background`);
      const rate = `${seen}, ${perHour(perThousandAnHour ?? 0)} an hour and thousand clients, told apart as background`;
      return rows.length > 0 && expected >= rows.length * MOST_BACKGROUND
        ? unknown(
            `${rate}: this alone would explain ${count(Math.min(rows.length, Math.round(expected)))} of the ${count(rows.length)} drops since`,
          )
        : good(rate);
    },
  },
  {
    name: 'dropped at most once',
    judge: ({ fleet: { dropped, droppedTwice } }) =>
      droppedTwice > 0
        ? bad(`${clients(droppedTwice)} ${were(droppedTwice)} dropped twice or more`)
        : good(dropped === 0 ? 'no client was dropped' : 'no client was dropped more than once'),
  },
  {
    name: 'no landing on the old version',
    judge: ({ landings: { cutOverAt, landedOnOld } }) =>
      landedOnOld > 0
        ? bad(`${clients(landedOnOld)} landed on the old version after the cut-over`)
        : good(
            cutOverAt === null
              ? 'no step was a cut-over'
              : 'nobody landed on the old version after the cut-over',
          ),
  },
  {
    name: 'no collateral drop',
    judge: ({ cell, rows }) => {
      if (cell.sees === 'sockets')
        return good('without access to the cluster nobody can tell whether the pods were still serving');
      const lost = rows.filter(({ collateral }) => collateral).length;
      return lost > 0
        ? bad(
            `${count(lost)} connection${lost === 1 ? '' : 's'} ${were(lost)} lost although the pod was still serving and had not asked the client to go`,
          )
        : good('no connection was lost on a pod that was still serving it');
    },
  },
  {
    name: 'never all at once',
    judge: ({ fleet, rates: { mostDroppedIn10Seconds } }, { lossIn10Seconds }) => {
      const share = fleet.clients === 0 ? 0 : mostDroppedIn10Seconds / fleet.clients;
      return share > lossIn10Seconds
        ? bad(
            `${percent(share)} of the clients were dropped within 10 seconds, more than ${percent(lossIn10Seconds)}`,
          )
        : good(`at most ${percent(share)} of the clients were dropped within 10 seconds`);
    },
  },
  {
    name: 'everybody came back',
    judge: ({ fleet: { stillAway, gaveUp } }) =>
      stillAway > 0
        ? bad(
            `${clients(stillAway)} ${were(stillAway)} not connected at the end${gaveUp > 0 ? ` (${count(gaveUp)} gave up for good)` : ''}`,
          )
        : good('every client was connected at the end'),
  },
  {
    name: 'holds',
    judge: ({ capacity, cell }) => {
      if (capacity === null) return undefined;
      const { longestWaitMillis, longestQueue, podsFallen, itselfAgainMillis, busiestShare } = capacity;
      if (capacity.outcome === 'holds')
        return good(
          `the door held: nobody waited longer than ${formatDuration(longestWaitMillis)} for their turn, no pod used more than ${percent(busiestShare)} of its processors in a second, and the service was itself again ${formatDuration(itselfAgainMillis ?? 0)} after the release`,
        );
      const { connectTimeout } = cell.axes;
      const reasons = [
        ...(longestWaitMillis > connectTimeout
          ? [
              `who was let in waited up to ${formatDuration(longestWaitMillis)} for their turn, with ${count(longestQueue)} in the queue, and clients wait for ${formatDuration(connectTimeout)}`,
            ]
          : []),
        ...(podsFallen > 0
          ? [`${count(podsFallen)} pod${podsFallen === 1 ? '' : 's'} fell (${fallen(capacity)})`]
          : []),
      ];
      return bad(`the door did not hold${reasons.length === 0 ? '' : `: ${reasons.join('; ')}`}`);
    },
  },
  {
    name: 'does not collapse',
    judge: ({ capacity, cell }) => {
      if (capacity === null) return undefined;
      const { outcome, itselfAgainMillis, staleAttempts, servedAttempts } = capacity;
      const limit = formatDuration(cell.axes.recoverWithin);
      if (outcome !== 'collapses')
        return good(
          `the service was itself again ${formatDuration(itselfAgainMillis ?? 0)} after the release (limit ${limit})`,
        );
      const vain =
        staleAttempts > 0
          ? `; of ${count(servedAttempts)} handshakes ${count(staleAttempts)} were done for clients that had left`
          : '';
      return bad(
        itselfAgainMillis === null
          ? `the service collapsed: it was not itself again within ${limit} of the release${vain}`
          : `the service collapsed: it was itself again only ${formatDuration(itselfAgainMillis)} after the release, later than ${limit}${vain}`,
      );
    },
  },
  {
    name: 'connections lie evenly',
    isNote: true,
    judge: ({ shape, cell }) => {
      if (shape === null || !isSkewed(shape)) return undefined;
      const { most, mean, pods, empty } = shape;
      const bare = empty > 0 ? `, and ${count(empty)} hold${empty === 1 ? 's' : ''} none` : '';
      const stays =
        cell.axes.maxAge === undefined
          ? 'nothing moves a connection that is held, so this stays until clients leave or gateways close them (--max-age)'
          : `with --max-age ${formatDuration(cell.axes.maxAge)} every connection has been drawn anew once`;
      return good(
        `connections lie unevenly at the end: the fullest of ${count(pods)} pods holds ${count(most)} where the mean is ${count(mean)}${bare}; ${stays}`,
      );
    },
  },
  {
    name: 'closed for their age',
    isNote: true,
    judge: ({ rows, cell: { axes } }) => {
      const aged = rows.filter(({ cause }) => cause === 'aged-out').length;
      if (axes.maxAge === undefined || aged === 0) return undefined;
      return good(
        `${count(aged)} connection${aged === 1 ? '' : 's'} ${were(aged)} closed for their age (--max-age ${formatDuration(axes.maxAge)}), which no release is needed for: no other number counts them`,
      );
    },
  },
];

/** How pods fell, and how often. */
const fallen = ({ fallen: kinds }: CapacityDocument): string =>
  Object.entries(kinds)
    .filter(([, times]) => times > 0)
    .map(([kind, times]) => `${kind} ${count(times)} time${times === 1 ? '' : 's'}`)
    .join(', ');

/** The verdict on a cell with the reasons for it. */
export interface Judgement {
  readonly verdict: VerdictName;
  /** What decided it: the criteria that are unknown or failed, or all of them where it passes; then what is to be noted. */
  readonly why: readonly string[];
  readonly criteria: readonly CriterionResult[];
}

/** Judges a cell. Doubt about the measurement outweighs any finding: then the verdict is `unknown`, never `pass` or `fail`. */
export function judge(findings: Findings, bounds: Bounds = BOUNDS): Judgement {
  const notes: CriterionResult[] = [];
  const decisive: CriterionResult[] = [];
  for (const criterion of CRITERIA) {
    const result = criterion.judge(findings, bounds);
    if (result !== undefined) (criterion.isNote ? notes : decisive).push({ name: criterion.name, ...result });
  }
  const criteria = [...decisive, ...notes];
  const of = (outcome: VerdictName) => criteria.filter((criterion) => criterion.outcome === outcome);
  const verdict = of('unknown').length > 0 ? 'unknown' : of('fail').length > 0 ? 'fail' : 'pass';
  const deciding = verdict === 'pass' ? decisive : [...of('unknown'), ...of('fail')];
  return {
    verdict,
    why: [...deciding, ...(verdict === 'unknown' ? [] : notes)].map(({ says }) => says),
    criteria,
  };
}
