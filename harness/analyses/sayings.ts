import type { CellHeader, ClientName } from '../contracts/event.ts';
import type { Analysis } from './analysis.ts';
import { isFleet } from './analysis.ts';

/** What gateways said of themselves. */
export interface Sayings {
  /** Clients that v2 greeted at least once. */
  readonly reachedV2: number;
  /** What fits nothing known, in sentences. */
  readonly strange: readonly string[];
}

interface State {
  readonly cell: CellHeader;
  readonly onV2: Set<ClientName>;
  /** The versions of each pod that the cluster ever told of. */
  readonly pods: Map<string, Set<string>>;
  /** Connections by what their gateway said: pod, then version. */
  readonly heard: Map<string, Map<string, number>>;
}

/** Said for a gateway that tells only its version while several pods have it (harness/fleet/pod-by-version.ts). */
const NOT_TOLD = /^unknown (.* )?pod$/;

/** More sentences than this are one mistake. */
const MOST = 5;

/** Something from outside, in one line that is not endless. */
const quoted = (text: string) =>
  JSON.stringify(String(text).length > 80 ? `${String(text).slice(0, 80)}...` : text);

/** Holds what gateways say of themselves, version and pod, against what is known of them. */
export const sayingsAnalysis: Analysis<State, Sayings> = {
  name: 'sayings',
  start: (cell) => ({ cell, onV2: new Set(), pods: new Map(), heard: new Map() }),
  fold({ pods, heard, onV2 }, event) {
    if (event.type === 'pod') {
      const versions = pods.get(event.pod) ?? new Set();
      pods.set(event.pod, versions.add(event.version));
      return;
    }
    if ((event.type !== 'open' && event.type !== 'rehomed') || !isFleet(event.client)) return;
    if (event.version === 'v2') onV2.add(event.client);
    let versions = heard.get(event.pod);
    if (versions === undefined) {
      versions = new Map();
      heard.set(event.pod, versions);
    }
    versions.set(event.version, (versions.get(event.version) ?? 0) + 1);
  },
  result: ({ cell, pods, heard, onV2 }) => ({
    reachedV2: onV2.size,
    strange: [...strangeVersions(cell, heard), ...strangePods(cell, pods, heard)],
  }),
};

const connections = (number: number) =>
  `${number.toLocaleString('en-US')} connection${number === 1 ? '' : 's'}`;

function* strangeVersions({ says, kind }: CellHeader, heard: State['heard']): Generator<string> {
  // What somebody else releases is called as they like.
  if (kind === 'watch') return;
  const counts = new Map<string, number>();
  for (const versions of heard.values())
    for (const [version, count] of versions) counts.set(version, (counts.get(version) ?? 0) + count);
  const { v1, v2 } = says ?? { v1: 'v1', v2: 'v2' };
  const strange = [...counts].filter(([version]) => version !== 'v1' && version !== 'v2');
  for (const [version, count] of strange.slice(0, MOST))
    yield `the gateway said on ${connections(count)} that its version is ${quoted(version)}, which is neither ${quoted(v1)} (v1) nor ${quoted(v2)} (v2)`;
}

function* strangePods({ says }: CellHeader, pods: State['pods'], heard: State['heard']): Generator<string> {
  // A cluster that tells of no pod at all cannot contradict.
  if (pods.size === 0) return;
  const told = [...heard].filter(([pod]) => !NOT_TOLD.test(pod));
  const strange = told.filter(([pod]) => !pods.has(pod));
  for (const [pod, versions] of strange.slice(0, MOST)) {
    const count = [...versions.values()].reduce((sum, one) => sum + one, 0);
    yield `the gateway said on ${connections(count)} that its pod is ${quoted(pod)}, which the cluster does not know`;
  }
  // Only a gateway of the user's own names its versions by itself; the built-in one's worker changes within its pod.
  if (says === undefined) return;
  const contradicted = told.flatMap(([pod, versions]) =>
    [...versions].flatMap(([version, count]) =>
      (version === 'v1' || version === 'v2') && pods.get(pod)?.has(version) === false
        ? [{ pod, version, count, is: [...(pods.get(pod) ?? [])].join(', ') } as const]
        : [],
    ),
  );
  for (const { pod, version, count, is } of contradicted.slice(0, MOST))
    yield `pod ${quoted(pod)} said on ${connections(count)} that its version is ${quoted(says[version])} (${version}), and is of ${is} in the cluster`;
}
