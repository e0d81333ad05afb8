import type { History, PodHistory } from '../../harness/analyses/history.ts';
import type { Millis } from '../../harness/time/duration.ts';
import { formatSeconds, roundTicks } from '../charts/chart-config.js';
import { chartWindow, numberedSteps } from '../charts/chart-spec.ts';
import { type Html, html } from '../page/html.ts';
import type { AnalysedCell } from '../stored/stored-run.ts';
import { plural, time } from '../words/words.ts';

interface Segment {
  readonly from: Millis;
  readonly to: Millis;
  /** The class that colours it; `none` leaves a gap. */
  readonly look: string;
  readonly title: string;
}

interface Window {
  readonly from: Millis;
  readonly to: Millis;
  readonly zero: Millis;
}

/** More lanes of one kind than this say nothing more. */
const MOST_LANES = 16;

const windowOf = (cell: AnalysedCell): Window => {
  const { from, to, zero } = chartWindow(cell);
  return { from: from * 1000, to: to * 1000, zero: zero * 1000 };
};

const position = (at: Millis, { from, to }: Window) =>
  `${((100 * (Math.min(to, Math.max(from, at)) - from)) / (to - from)).toFixed(2)}%`;
const width = (segment: Segment, window: Window) => {
  const begin = Math.max(segment.from, window.from);
  return `${Math.max(0.15, (100 * (Math.min(segment.to, window.to) - begin)) / (window.to - window.from)).toFixed(2)}%`;
};

function track(segments: readonly Segment[], window: Window, thin = false): Html {
  const shown = segments.filter(
    ({ from, to, look }) => look !== 'none' && to > window.from && from < window.to,
  );
  return html`<div class="track${thin && ' strip'}">${shown.map(
    (segment) =>
      html`<i class="c-${segment.look}" style="left:${position(segment.from, window)};width:${width(segment, window)}"${segment.title !== '' && html` title="${segment.title}"`}></i>`,
  )}</div>`;
}

function lane(name: string, segments: readonly Segment[], window: Window): Html {
  return html`<span class="name" title="${name}">${name}</span>${track(segments, window)}`;
}

/** States that follow one another become segments that last until the next. */
function spans<T extends { readonly at: Millis }>(
  states: readonly T[],
  end: Millis,
  describe: (state: T) => { look: string; title: string },
): Segment[] {
  return states.map((state, index) => ({
    from: state.at,
    to: states[index + 1]?.at ?? end,
    ...describe(state),
  }));
}

const since = (at: Millis, { zero }: Window) => `${at >= zero ? '+' : ''}${time(at - zero)}`;

function podSegments({ pod, version, phases }: PodHistory, window: Window): Segment[] {
  return spans(phases, window.to, ({ at, phase, ready, why }) => {
    const title = `${pod}: ${phase}${phase === 'running' && !ready ? ', not ready' : ''}${why ? ` (${why})` : ''} from ${since(at, window)}`;
    const serving = version === 'v1' || version === 'v2' ? version : 'other';
    if (phase === 'gone') return { look: 'none', title };
    if (phase === 'pending') return { look: 'wait', title };
    if (phase === 'terminating') return { look: 'bad', title };
    return { look: ready ? serving : 'part', title };
  });
}

function endpointLanes(history: History, window: Window): Html[] {
  const services = [...new Set(history.endpoints.map(({ service }) => service))].sort();
  return services.slice(0, 4).map((service) =>
    lane(
      `endpoints ${service}`,
      spans(
        history.endpoints.filter((event) => event.service === service),
        window.to,
        ({ at, endpoints }) => {
          const ready = endpoints.filter((endpoint) => endpoint.ready);
          const versions = ready.map(({ pod }) => history.pods.get(pod)?.version ?? 'other');
          const look =
            ready.length === 0
              ? 'bad'
              : new Set(versions).size > 1
                ? 'part'
                : versions[0] === 'v1' || versions[0] === 'v2'
                  ? versions[0]
                  : 'good';
          return {
            look,
            title: `${plural(ready.length, 'ready endpoint')}${ready.length > 0 ? ` (${[...new Set(versions)].sort().join(' and ')})` : ''} from ${since(at, window)}`,
          };
        },
      ),
      window,
    ),
  );
}

function balancerLanes(history: History, window: Window): Html[] {
  const services = [...new Set(history.balancers.map(({ service }) => service))].sort();
  return services.slice(0, 4).map((service) =>
    lane(
      `balancer ${service}`,
      spans(
        history.balancers.filter((event) => event.service === service),
        window.to,
        ({ at, backends, failOpen }) => {
          const healthy = backends.filter((backend) => backend.healthy).length;
          return {
            look: failOpen || healthy === 0 ? 'bad' : healthy < backends.length ? 'part' : 'good',
            title: `${healthy} of ${plural(backends.length, 'backend')} healthy${failOpen ? ', fails open over all' : ''} from ${since(at, window)}`,
          };
        },
      ),
      window,
    ),
  );
}

function nodeLanes(history: History, window: Window): Html[] {
  const nodes = [...new Set(history.proxies.map(({ node }) => node))].sort();
  const looks = { forward: 'good', reject: 'bad', drop: 'part', none: 'none' };
  return nodes.slice(0, MOST_LANES).map((node) =>
    lane(
      `rules on ${node}`,
      spans(
        history.proxies.filter((event) => event.node === node),
        window.to,
        ({ at, rules, localEndpoints }) => ({
          look: looks[rules],
          title: `${rules}, ${plural(localEndpoints, 'local endpoint')} from ${since(at, window)}`,
        }),
      ),
      window,
    ),
  );
}

/** Round times under the lanes. */
function axisTrack(window: Window): Html {
  const seconds = (at: Millis) => (at - window.zero) / 1000;
  return html`<div class="track axis">${roundTicks(seconds(window.from), seconds(window.to), 6).map(
    (tick) =>
      html`<span style="left:${position(window.zero + tick * 1000, window)}">${formatSeconds(tick)}</span>`,
  )}</div>`;
}

const axis = (window: Window) => html`<span class="name"></span>${axisTrack(window)}`;

/** Steps, endpoints, balancer, rules and pods as lanes over one time axis. */
export function clusterLanes(cell: AnalysedCell): Html {
  const window = windowOf(cell);
  const { history } = cell.result;
  const steps = numberedSteps(cell).map(
    ({ step, tag }): Segment => ({
      from: step.begin,
      to: step.end ?? window.to,
      look: step.fault
        ? 'fault'
        : step.cutOver
          ? 'cut-over'
          : step.phase === 'rollback'
            ? 'rollback'
            : 'step',
      title: `step ${tag}: ${step.name} from ${since(step.begin, window)}`,
    }),
  );
  const pods = [...history.pods.values()].sort((a, b) => (a.phases[0]?.at ?? 0) - (b.phases[0]?.at ?? 0));
  return html`<figure>
<h4>What the cluster did</h4>
<div class="lanes">${lane('steps', steps, window)}${endpointLanes(history, window)}${balancerLanes(history, window)}${nodeLanes(history, window)}${pods
    .slice(0, MOST_LANES)
    .map((pod) => lane(pod.pod, podSegments(pod, window), window))}${axis(window)}</div>
<div class="legend"><span><i class="c-v1"></i>v1 ready</span><span><i class="c-v2"></i>v2 ready</span><span><i class="c-good"></i>healthy, forwards</span><span><i class="c-part"></i>partly, both versions, not ready or drops</span><span><i class="c-bad"></i>none ready, fails open, rejects or terminating</span><span><i class="c-wait"></i>pending</span></div>
<figcaption>Hover a lane for its words; the ledger tells the same in sentences.${pods.length > MOST_LANES && ` The first ${MOST_LANES} of ${pods.length} pods are shown.`}</figcaption>
</figure>`;
}

/** The lives of a sample of clients, a strip each. */
export function clientStrips(cell: AnalysedCell, most: number): Html {
  const window = windowOf(cell);
  const { clients, every } = cell.result.strips;
  const stride = Math.max(1, Math.ceil(clients.length / most));
  const shown = clients.filter((_, index) => index % stride === 0);
  const look = (state: string) => (['v1', 'v2', 'away', 'silent'].includes(state) ? state : 'other');
  return html`<figure>
<h4>The lives of ${plural(shown.length, 'client')}</h4>
<div class="strips" role="img" aria-label="A strip for each of ${shown.length} sampled clients: connected to v1 or v2, silent, or away.">${shown.map(
    ({ client, stretches }) =>
      html`<div title="${client}">${track(
        stretches.map(({ from, to, state }) => ({ from, to, look: look(state), title: '' })),
        window,
        true,
      )}</div>`,
  )}${axisTrack(window)}</div>
<div class="legend"><span><i class="c-v1"></i>on v1</span><span><i class="c-v2"></i>on v2</span><span><i class="c-silent"></i>silent, not yet noticed</span><span><i class="c-away"></i>away</span></div>
<figcaption>Sample: ${every * stride === 1 ? 'every client' : `client 0 and every ${every * stride}. one after it`}, of ${plural(cell.result.document.clients, 'client')}; the same for every cell of this size.</figcaption>
</figure>`;
}
