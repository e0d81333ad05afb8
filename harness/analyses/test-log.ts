import { type Axes, defaultAxes } from '../contracts/axes.ts';
import { type CellHeader, clientName, type Timed, type TimedEvent } from '../contracts/event.ts';
import { Random } from '../statistics/random.ts';
import type { Millis } from '../time/duration.ts';

/** What happens in a made-up log: the balancer fails open and heals or not, or pods are replaced one by one. */
export type Story = 'fail-open' | 'fail-open-heals' | 'rolling' | 'paced' | 'calm';

/** A made-up cell for tests and for looking at reports; its numbers say nothing about any cluster. */
export function testCell(
  changes: Partial<Omit<CellHeader, 'axes'>> & { axes?: Partial<Axes> } = {},
): CellHeader {
  return {
    id: 'test-cell',
    strategy: 'seventy-thirty',
    question: 'Why did changing the Service selector lose 70 % of the connections and keep 30 %?',
    cluster: 'sim',
    evidence: 'modelled',
    seed: 1,
    speed: null,
    facts: { kubernetes: 'v1.31 (modelled)', dataplane: 'iptables' },
    ...changes,
    axes: defaultAxes({ policy: 'Local', ...changes.axes }),
  };
}

const FLIP: Millis = 120_000;

/** A plausible log of one cell, in time order, from its seed; with a `fate` for each loss where the cell is modelled. */
export function testLog(cell: CellHeader, story: Story): Timed[] {
  const { axes, seed } = cell;
  const random = new Random(seed).fork(story);
  const events: Timed[] = [];
  const log = (at: Millis, event: TimedEvent) => events.push({ at, ...event });
  const nodes = Array.from({ length: axes.nodes }, (_, index) => `node-${index + 1}`);
  const pods = Array.from({ length: axes.pods }, (_, index) => ({
    pod: `gateway-v1-${index}`,
    version: 'v1',
    node: nodes[index % nodes.length] as string,
  }));
  const next = pods.map(({ node }, index) => ({ pod: `gateway-v2-${index}`, version: 'v2', node }));
  const service = 'gateway';
  const step = (
    at: Millis,
    until: Millis,
    name: string,
    phase: 'prepare' | 'release' | 'settle',
    marks = {},
  ) => {
    log(at, { type: 'step', name, edge: 'begin', phase, ...marks });
    log(until, { type: 'step', name, edge: 'end', phase, ...marks });
  };
  const endpoints = (at: Millis, members: typeof pods) =>
    log(at, {
      type: 'endpoints',
      service,
      endpoints: members.map(({ pod, node }) => ({
        pod,
        node,
        ready: true,
        serving: true,
        terminating: false,
      })),
    });
  const balancer = (at: Millis, healthy: readonly string[]) =>
    log(at, {
      type: 'balancer',
      service,
      backends: nodes.map((node) => ({ node, healthy: healthy.includes(node) })),
      failOpen: healthy.length === 0,
    });
  const proxies = (at: Millis, rules: 'forward' | 'reject') => {
    for (const node of nodes)
      log(at + random.integer(0, 900), {
        type: 'proxy',
        node,
        service,
        rules,
        localEndpoints: rules === 'forward' ? 1 : 0,
      });
  };
  const closed = (client: number, at: Millis, place: (typeof pods)[number], silent: boolean) => {
    log(at, {
      type: 'closed',
      client: clientName('fleet', client),
      pod: place.pod,
      version: place.version,
      ending: silent ? { how: 'silence' } : { how: 'close', code: 1001, reason: 'going away' },
      // The ping that was not answered left a heartbeat before, the last answered one two.
      lastAnswer: silent ? at - 2 * axes.heartbeat : at,
    });
  };
  const opened = (client: number, at: Millis, { pod, version, node }: (typeof pods)[number], attempts = 1) =>
    log(at, { type: 'open', client: clientName('fleet', client), pod, version, node, attempts });

  step(0, 2000, 'v1 serves', 'prepare');
  for (const place of pods) log(500, { type: 'pod', ...place, phase: 'running', ready: true });
  endpoints(1000, pods);
  proxies(1000, 'forward');
  balancer(2000, axes.policy === 'Local' ? pods.map(({ node }) => node) : nodes);
  step(2000, 30_000, 'clients connect', 'prepare');
  const home = (client: number) => pods[client % pods.length] as (typeof pods)[number];
  for (let client = 0; client < axes.clients; client++)
    opened(client, 2000 + Math.floor((28_000 * client) / axes.clients), home(client));
  for (let client = 0; client < 10; client++)
    log(2500, {
      type: 'open',
      client: clientName('control', client),
      pod: 'control',
      version: 'v1',
      attempts: 1,
    });

  let end = FLIP + 300_000;
  const back = (client: number, at: Millis, place: (typeof pods)[number]) => {
    const wait = random.integer(1, axes.backoff);
    if (random.chance(1, 10))
      log(at + Math.floor(wait / 2), {
        type: 'refused',
        client: clientName('fleet', client),
        attempt: 1,
        why: 'timeout',
      });
    opened(client, at + wait, place, 1 + random.integer(0, 2));
    end = Math.max(end, at + wait + 1000);
  };

  if (story === 'fail-open' || story === 'fail-open-heals') {
    const turned = FLIP + 19_000;
    step(FLIP, FLIP + 10, 'selector matches no pod', 'release', { fault: true });
    step(FLIP + 10, FLIP + 120_000, 'watch', 'release');
    endpoints(FLIP + 40, []);
    proxies(FLIP + 300, 'reject');
    balancer(turned, []);
    for (let client = 0; client < axes.clients; client++) {
      const before = home(client).node;
      const node = random.pick(nodes);
      if (node === before) continue;
      const name = clientName('fleet', client);
      // Hashed away at `turned`: the last answer came before it, the next ping meets the other node.
      const met = turned + random.integer(1, axes.heartbeat);
      if (cell.evidence === 'modelled')
        log(met, {
          type: 'fate',
          client: name,
          verdict: 'rejected',
          node,
          before,
          rule: 'KUBE-EXTERNAL-SERVICES REJECT',
        });
      if (story === 'fail-open-heals') {
        log(met + 9000, { type: 'healed', client: name, silent: 20_000 });
        continue;
      }
      const noticed = met + axes.heartbeat;
      closed(client, noticed, home(client), true);
      back(client, Math.max(noticed, FLIP + 120_000), home(client));
    }
    step(FLIP + 120_000, FLIP + 120_010, 'selector back', 'release');
    endpoints(FLIP + 120_050, pods);
    proxies(FLIP + 120_100, 'forward');
  } else if (story === 'rolling' || story === 'paced') {
    const pace = story === 'paced' ? axes.drainOver : 0;
    step(FLIP, FLIP + 60_000 * pods.length, 'apply v2', 'release', { cutOver: true });
    const members = [...pods];
    pods.forEach((old, index) => {
      const at = FLIP + 30_000 + 40_000 * index;
      const replacement = next[index] as (typeof pods)[number];
      log(at - 20_000, { type: 'pod', ...replacement, phase: 'pending', ready: false });
      log(at - 12_000, { type: 'pod', ...replacement, phase: 'running', ready: true });
      members[index] = replacement;
      endpoints(at, members);
      log(at, { type: 'pod', ...old, phase: 'terminating', ready: true, why: 'deleted' });
      log(at + 10, { type: 'gateway', pod: old.pod, did: 'sigterm', why: 'SIGTERM', connections: 1 });
    });
    for (let client = 0; client < axes.clients; client++) {
      const index = client % pods.length;
      const at = FLIP + 30_050 + 40_000 * index + (pace === 0 ? 0 : random.integer(0, pace));
      closed(client, at, home(client), false);
      // Some land on a pod that is still to go, and are dropped again.
      const target = story === 'rolling' ? random.integer(0, pods.length) : 0;
      if (story === 'rolling' && target > index) {
        const again = at + random.integer(100, 20_000);
        opened(client, again, pods[target] as (typeof pods)[number]);
        const second = FLIP + 30_060 + 40_000 * target;
        closed(client, Math.max(second, again + 1), pods[target] as (typeof pods)[number], false);
        back(client, Math.max(second, again + 1), next[target] as (typeof pods)[number]);
      } else back(client, at, next[target] as (typeof pods)[number]);
    }
    pods.forEach((old, index) => {
      const at = FLIP + 60_000 + 40_000 * index + pace;
      log(at, { type: 'gateway', pod: old.pod, did: 'exit', why: 'drained', connections: 0 });
      log(at + 500, { type: 'pod', ...old, phase: 'gone', ready: false });
      end = Math.max(end, at + 2000);
    });
  } else step(FLIP, FLIP + 1000, 'nothing that clients see', 'release', { fault: true });
  step(FLIP + 200_000, end, 'everybody returns', 'settle');
  events.sort((a, b) => a.at - b.at);
  return [...events, { at: end, type: 'end', outcome: 'finished' }];
}
