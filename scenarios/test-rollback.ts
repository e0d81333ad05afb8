import { sim } from '../clusters/sim/sim.ts';
import { analyze } from '../harness/analyses/analyze.ts';
import type { CellDocument } from '../harness/analyses/cell-document.ts';
import type { AxisTexts } from '../harness/contracts/axes.ts';
import type { Cluster, Provider } from '../harness/contracts/cluster.ts';
import type { CellHeader, Event, Timed } from '../harness/contracts/event.ts';
import type { Strategy } from '../harness/contracts/scenario.ts';
import { InterruptedError } from '../harness/errors.ts';
import { type PlannedCell, planCells } from '../harness/run/plan.ts';
import { type Played, play } from '../harness/run/play.ts';
import type { Millis } from '../harness/time/duration.ts';

/** What of a cluster a rollback has to bring back, as plain data that can be compared. */
type Standing = Readonly<Record<string, unknown>>;

export interface Interrupted {
  readonly played: Played;
  readonly document: CellDocument;
  /** When v1 served all clients, and at the end. */
  readonly before: Standing;
  readonly after: Standing;
  /** Begins of the release's steps, and its end, counted from its begin. */
  readonly moments: readonly Millis[];
}

async function standing({ kube }: Cluster): Promise<Standing> {
  const found: [string, unknown][] = [];
  // A Deployment of none is what a retired version leaves.
  for (const { metadata, spec, status } of await kube.list('Deployment'))
    if (spec?.replicas !== 0)
      found.push([
        `Deployment ${metadata?.name}`,
        [spec?.replicas, status?.readyReplicas, spec?.template.metadata?.labels],
      ]);
  // Green's own balancer may stay: no DNS name leads to it.
  for (const { metadata, spec } of await kube.list('Service'))
    if (metadata?.name !== 'gateway-green')
      found.push([`Service ${metadata?.name}`, [spec?.selector, spec?.externalTrafficPolicy]]);
  for (const kind of ['Ingress', 'HTTPRoute', 'VirtualService', 'HorizontalPodAutoscaler'])
    for (const { metadata, spec } of (await kube.list(kind)) as {
      metadata?: { name?: string };
      spec?: unknown;
    }[])
      found.push([`${kind} ${metadata?.name}`, spec]);
  const pods = await kube.list('Pod', { app: 'gateway' });
  found.push([
    'gateway pods',
    pods
      .map(({ metadata, status }) => [
        metadata?.labels?.version,
        status?.conditions?.find(({ type }) => type === 'Ready')?.status,
      ])
      .sort(),
  ]);
  const nodes = await kube.list('Node');
  found.push(['nodes', nodes.map(({ spec }) => [spec?.unschedulable ?? false, spec?.taints ?? []])]);
  return Object.fromEntries(found);
}

/** One cell for each of the strategy's variants that these texts name. */
export const cellsOf = (strategy: Strategy, texts: AxisTexts): readonly PlannedCell[] =>
  planCells({ strategies: [strategy], providers: [sim], texts, seed: 1, repeat: 1 });

/**
 * Plays one cell on the simulator, rolled back at a moment of its release (undefined: not at all); `ends` says after
 * which event the whole run is interrupted as well.
 */
export async function interruptedAt(
  cell: PlannedCell,
  moment: Millis | undefined,
  ends: (event: Event) => boolean = () => false,
): Promise<Interrupted> {
  const run = new AbortController();
  const events: Timed[] = [];
  let header: CellHeader | undefined;
  let cluster: Cluster | undefined;
  let before: Promise<Standing> | undefined;
  let after: Standing = {};
  const provider: Provider = {
    ...sim,
    async open(spec, context) {
      const opened = await sim.open(spec, context);
      const dispose = opened[Symbol.asyncDispose].bind(opened);
      opened[Symbol.asyncDispose] = async () => {
        after = await standing(opened).catch((error) => ({ error }));
        await dispose();
      };
      // Nobody debugs it by files.
      opened.collect = async () => {};
      cluster = opened;
      return opened;
    },
  };
  const played = await play(
    { ...cell, provider, axes: { ...cell.axes, rollbackAfter: moment } },
    {
      name: 'test',
      directory: '.',
      signal: run.signal,
      audience: { watch() {} },
      record(event: Event) {
        if (event.type === 'cell') header = event.cell;
        else if ('at' in event) events.push(event);
        if (event.type === 'step' && event.name === 'calm' && event.edge === 'begin' && cluster !== undefined)
          before = standing(cluster);
        if (!run.signal.aborted && ends(event)) run.abort(new InterruptedError('asked to end'));
      },
    },
  );
  const release = events.flatMap((event) =>
    event.type === 'step' && event.phase === 'release' ? [event.at] : [],
  );
  const { document } = analyze(header as CellHeader, events);
  return {
    played,
    document,
    before: (await before) ?? {},
    after,
    moments: [...new Set(release)].map((at) => at - (release[0] ?? 0)),
  };
}
