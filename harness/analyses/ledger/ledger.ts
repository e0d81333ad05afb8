import type { CellHeader, ClientName } from '../../contracts/event.ts';
import type { Millis } from '../../time/duration.ts';
import { formatDuration } from '../../time/duration.ts';
import { tolerated } from '../../time/tolerance.ts';
import type { Drop } from '../clients/fleet.ts';
import type { History, StepSpan } from '../history.ts';
import { attribute, lossOf, podEndOf, WATCH_DELAY } from './attribute.ts';
import { type Cause, IDLE_CAUSES } from './causes.ts';
import { causingStep, indexEvidence, type Moment } from './evidence.ts';

/** How a disconnect showed to the client, in few words: `close 1001`, `fin`, `reset`, `silence`. */
type Showed = string;

/** One disconnect of one client and all that is known of it. */
export interface LedgerRow {
  readonly client: ClientName;
  readonly nth: number;
  readonly podBefore: string;
  readonly versionBefore: string;
  readonly nodeBefore: string;
  /** Empty while the client is still away. */
  readonly podAfter: string;
  readonly versionAfter: string;
  readonly nodeAfter: string;
  /** The last sign of life on the connection: the loss is dated back to it. */
  readonly lost: Millis;
  readonly detected: Millis;
  readonly showed: Showed;
  readonly asked: boolean;
  readonly cause: Cause;
  readonly inferred: boolean;
  /** The pod was still serving and had not asked the client to go. */
  readonly collateral: boolean;
  /** From `lost` to the reopening, or to the end of the cell where the client is still away. */
  readonly away: Millis;
  readonly returned: boolean;
  /** Attempts it took to come back, refused ones included; so far, where the client is still away. */
  readonly attempts: number;
  /** Index into the ledger's chains: what on the cluster led to the loss. */
  readonly chain: number;
  /** What became of the first packet that was not delivered, where the cluster can know. */
  readonly fate: Drop['fate'];
}

/** What on the cluster led to a number of disconnects, earliest first. */
export interface Chain {
  readonly cause: Cause;
  readonly inferred: boolean;
  readonly step: StepSpan | undefined;
  readonly moments: readonly Moment[];
  /** Disconnects that it led to. */
  readonly rows: number;
}

/** Every disconnect of the fleet with its cause; `rows` in the order in which the clients noticed. */
export interface Ledger {
  readonly rows: readonly LedgerRow[];
  readonly chains: readonly Chain[];
}

function showed({ ending }: Pick<Drop, 'ending'>): Showed {
  return ending.how === 'close' ? `close ${ending.code}` : ending.how;
}

/** Whether nothing that the release did led to such a loss: a connection that idles too long does so at any time. */
const isUncaused = (cause: Cause, first: Moment | undefined): boolean =>
  IDLE_CAUSES.has(cause) || (first === undefined && cause === 'tracking-expired');

/** Builds the ledger of a cell from its drops and the cluster's history. */
export function buildLedger(cell: CellHeader, history: History, drops: readonly Drop[], end: Millis): Ledger {
  const index = indexEvidence(history, cell.speed);
  const chains: (Chain & { rows: number })[] = [];
  const known = new Map<string, number>();
  const released = history.steps.find(({ phase }) => phase === 'release')?.begin ?? 0;
  const delay = tolerated(WATCH_DELAY, cell.speed);
  const rows = drops.map((drop): LedgerRow => {
    const { cause, inferred, moments } = attribute(index, cell, drop);
    const key = [cause, inferred, ...moments.map(({ at, text }) => `${at} ${text}`)].join('|');
    // Rules that stood before the release are the chain's background, not its beginning. Without any moment the
    // step is told by the drop itself, and chains of different steps differ.
    const first = moments.find(({ at }) => at >= released);
    const step = isUncaused(cause, first)
      ? undefined
      : causingStep(history, cell.speed, first?.at ?? drop.fate?.at ?? drop.detected, first?.kind);
    const chainKey = `${key}|${step?.begin}`;
    let chain = known.get(chainKey);
    if (chain === undefined) {
      chain = chains.push({ cause, inferred, step, moments, rows: 0 }) - 1;
      known.set(chainKey, chain);
    }
    (chains[chain] as { rows: number }).rows++;
    const { closing, ended, terminating } = podEndOf(index, cell, drop).end;
    const loss = lossOf(drop, cell.axes.heartbeat);
    // What a client saw at once may reach the log before the cluster's own word of why.
    const late = cell.evidence === 'measured' && drop.ending.how !== 'silence' ? loss + delay : loss;
    const goneBy = (moment: Moment | undefined) => moment !== undefined && moment.at <= late;
    const { returned } = drop;
    return {
      client: drop.client,
      nth: drop.nth,
      podBefore: drop.pod,
      versionBefore: drop.version,
      nodeBefore: drop.node ?? history.pods.get(drop.pod)?.node ?? '',
      podAfter: returned?.pod ?? '',
      versionAfter: returned?.version ?? '',
      nodeAfter: returned === undefined ? '' : (returned.node ?? history.pods.get(returned.pod)?.node ?? ''),
      lost: drop.lastAnswer,
      detected: drop.detected,
      showed: showed(drop),
      asked: drop.asked,
      cause,
      inferred,
      // Without access to the cluster nobody knows whether the pod was serving.
      collateral:
        cell.sees !== 'sockets' &&
        cause !== 'aged-out' &&
        !drop.asked &&
        !goneBy(closing) &&
        !goneBy(ended) &&
        !goneBy(terminating),
      away: (returned?.at ?? end) - drop.lastAnswer,
      returned: returned !== undefined,
      attempts: returned?.attempts ?? drop.refused,
      chain,
      fate: drop.fate,
    };
  });
  return { rows, chains };
}

/** Chains that differ only in when things happened, told as one by their first, commonest first. */
export function commonChains(chains: readonly Chain[]): (Chain & { readonly index: number })[] {
  const kinds = new Map<string, Chain & { index: number; rows: number }>();
  for (const [index, chain] of chains.entries()) {
    const { cause, inferred, step, moments, rows } = chain;
    const key = JSON.stringify([cause, inferred, step?.name, step?.phase, moments.map(({ text }) => text)]);
    const kind = kinds.get(key);
    if (kind === undefined) kinds.set(key, { ...chain, index });
    else kind.rows += rows;
  }
  return [...kinds.values()].sort((a, b) => b.rows - a.rows);
}

/** A moment's distance from the step, as `+17.3s`. */
const since = (at: Millis, origin: Millis) => `${at < origin ? '' : '+'}${formatDuration(at - origin)}`;

/** The chain of events behind a number of disconnects, in plain words, one line an event; times count from the step. */
export function describeChain(chain: Chain): string[] {
  const origin = chain.step?.begin ?? chain.moments[0]?.at ?? 0;
  return [
    chain.step === undefined
      ? isUncaused(chain.cause, undefined)
        ? 'no step of release or rollback led to this'
        : 'no step of release or rollback had begun'
      : `step "${chain.step.name}" begins${chain.step.phase === 'rollback' ? ' (rollback)' : ''}`,
    ...chain.moments.map(({ at, text }) => `${since(at, origin)} ${text}`),
  ];
}

/** What happened to this one connection at the end of its chain, in plain words; times count from the step. */
export function describeLoss(row: LedgerRow, chain: Chain): string[] {
  const origin = chain.step?.begin ?? chain.moments[0]?.at ?? 0;
  const lines: string[] = [];
  if (row.fate !== undefined) {
    const { at, verdict, node, before, rule, forgot } = row.fate;
    const path =
      before === undefined || before === node ? `on ${node}` : `sent to ${node} instead of ${before}`;
    const expired =
      forgot === undefined
        ? ''
        : `, ${forgot === 'node' ? 'whose' : "after the balancer's"} entry of the connection had expired`;
    lines.push(`${since(at, origin)} the client's next packet, ${path}${expired}, is ${verdict} by ${rule}`);
  }
  if (row.showed === 'silence')
    lines.push(
      `${since(row.detected, origin)} the heartbeat is unanswered since ${since(row.lost, origin)}: the client gives the connection up`,
    );
  else if (row.asked) lines.push(`${since(row.detected, origin)} the client leaves as it was asked to`);
  else lines.push(`${since(row.detected, origin)} the client sees ${row.showed}`);
  lines.push(
    row.returned
      ? `${since(row.lost + row.away, origin)} it is connected again, to ${row.podAfter} (${row.versionAfter}), after ${row.attempts} attempt${row.attempts === 1 ? '' : 's'}`
      : 'it has not come back by the end of the cell',
  );
  return lines;
}
