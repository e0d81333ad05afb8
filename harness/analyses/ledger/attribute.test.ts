import { describe, expect, test } from 'vitest';
import type { Axes } from '../../contracts/axes.ts';
import type { Timed, TimedEvent, Verdict } from '../../contracts/event.ts';
import { analyze } from '../analyze.ts';
import { testCell, testLog } from '../test-log.ts';
import { commonChains, describeChain, describeLoss } from './ledger.ts';

const NODES = ['n1', 'n2', 'n3'];
type Entry = readonly [number, TimedEvent];
const pod = (phase: 'running' | 'terminating' | 'gone'): TimedEvent => ({
  type: 'pod',
  pod: 'a',
  version: 'v1',
  node: 'n1',
  phase,
  ready: true,
});
const step = (name: string, cutOver = false): TimedEvent => ({
  type: 'step',
  name,
  edge: 'begin',
  phase: 'release',
  ...(cutOver ? { cutOver } : {}),
});
const endpoints = (...pods: string[]): TimedEvent => ({
  type: 'endpoints',
  service: 'gateway',
  endpoints: pods.map((name) => ({ pod: name, node: 'n1', ready: true, serving: true, terminating: false })),
});
const balancer = (healthy: readonly string[], more = {}): TimedEvent => ({
  type: 'balancer',
  service: 'gateway',
  backends: NODES.map((node) => ({ node, healthy: healthy.includes(node) })),
  failOpen: healthy.length === 0,
  ...more,
});
const rules = (node: string, word: 'forward' | 'reject' | 'none'): TimedEvent => ({
  type: 'proxy',
  node,
  service: 'gateway',
  rules: word,
  localEndpoints: 0,
});
const fate = (node: string, verdict: Verdict, before?: string, forgot?: 'balancer' | 'node'): TimedEvent => ({
  type: 'fate',
  client: 'c0',
  verdict,
  node,
  ...(before === undefined ? {} : { before }),
  rule: 'some rule',
  ...(forgot === undefined ? {} : { forgot }),
});
const gateway = (did: 'sigterm' | 'drain' | 'exit' | 'killed' | 'close'): TimedEvent => ({
  type: 'gateway',
  pod: 'a',
  did,
  why: '',
});

/** One client on pod a of node n1; the release begins at 10 s, the client notices at 90 s. */
function attributed(
  story: readonly Entry[],
  lost: {
    ending?: Extract<TimedEvent, { type: 'closed' }>['ending'];
    asked?: boolean;
    lastAnswer?: number;
  } = {},
  cell: Parameters<typeof testCell>[0] = {},
) {
  const before: Entry[] = [
    [0, pod('running')],
    [0, endpoints('a')],
    [0, balancer(['n1'])],
    ...NODES.map((node): Entry => [0, rules(node, 'forward')]),
    [1000, { type: 'open', client: 'c0', pod: 'a', version: 'v1', node: 'n1', attempts: 1 }],
    [10_000, step('flip', true)],
  ];
  const { ending = { how: 'silence' }, asked, lastAnswer = 30_000 } = lost;
  const after: Entry[] = [
    [
      90_000,
      {
        type: 'closed',
        client: 'c0',
        pod: 'a',
        version: 'v1',
        ending,
        lastAnswer,
        ...(asked === undefined ? {} : { asked }),
      },
    ],
    [120_000, { type: 'end', outcome: 'finished' }],
  ];
  const log = [...before, ...story, ...after]
    .map(([at, event]): Timed => ({ at, ...event }))
    .sort((a, b) => a.at - b.at);
  const { ledger } = analyze(testCell({ ...cell, axes: { clients: 1, ...cell.axes } }), log);
  const row = ledger.rows[0];
  const chain = ledger.chains[0];
  if (row === undefined || chain === undefined) throw new Error('the drop left no row');
  return { row, chain, cause: row.cause, inferred: row.inferred, lines: describeChain(chain) };
}

const evicted = (outcome: 'granted' | 'refused' | 'forced', cutTo?: number): TimedEvent => ({
  type: 'eviction',
  pod: 'a',
  node: 'n1',
  by: 'somebody',
  outcome,
  ...(cutTo === undefined ? {} : { cutTo }),
});
const power = (node: string): TimedEvent => ({ type: 'node', node, change: 'off' });
const close = { how: 'close', code: 1001, reason: '' } as const;
const measured = { evidence: 'measured', cluster: 'netns', speed: 10 } as const;

describe('a cause that the log shows', () => {
  test('is the balancer failing open, told from the step to the packet', () => {
    const { cause, inferred, lines, row, chain } = attributed([
      [10_100, endpoints()],
      ...NODES.map((node): Entry => [10_400, rules(node, 'reject')]),
      [31_000, balancer([])],
      [60_000, fate('n2', 'rejected', 'n1')],
    ]);
    expect({ cause, inferred }).toEqual({ cause: 'fail-open-rehash', inferred: false });
    expect(lines).toEqual([
      'step "flip" begins',
      '+100ms Service gateway loses a; no ready endpoint is left',
      "+400ms n1, n2, n3: the node's dataplane now rejects the Service (it has no endpoints) (gateway)",
      '+21s balancer of gateway: no backend is healthy, it fails open over 3 nodes',
    ]);
    expect(describeLoss(row, chain)).toEqual([
      "+50s the client's next packet, sent to n2 instead of n1, is rejected by some rule",
      '+1m20s the heartbeat is unanswered since +20s: the client gives the connection up',
      'it has not come back by the end of the cell',
    ]);
  });

  test.each([
    ['asked-to-leave', [[80_000, gateway('drain')]], { ending: close, asked: true }],
    ['gateway-closed', [[80_000, gateway('sigterm')]], { ending: close }],
    [
      'gateway-ended',
      [
        [80_000, gateway('sigterm')],
        [89_990, gateway('exit')],
      ],
      { ending: { how: 'fin' } },
    ],
    [
      'gateway-ended',
      [
        [50_000, gateway('killed')],
        [60_000, fate('n1', 'unroutable')],
      ],
      {},
    ],
    ['gateway-ended', [[50_000, pod('gone')]], {}],
    [
      'dataplane-cut',
      [
        [10_100, endpoints()],
        [10_200, rules('n1', 'none')],
        [40_000, fate('n1', 'reset', 'n1')],
      ],
      {},
    ],
    [
      'balancer-moved',
      [
        [31_000, balancer(['n2'])],
        [60_000, fate('n2', 'misdelivered', 'n1')],
      ],
      { ending: { how: 'reset' } },
    ],
    [
      'no-backend',
      [
        [31_000, balancer([], { backends: [], failOpen: false })],
        [60_000, fate('balancer', 'dropped', 'n1')],
      ],
      {},
    ],
    [
      'balancer-recreated',
      [
        [20_000, balancer(['n1'], { recreated: true })],
        [25_000, balancer(['n1', 'n2'])],
        [60_000, fate('n2', 'misdelivered', 'n1')],
      ],
      {},
    ],
    [
      'node-removed',
      [
        [31_000, { type: 'node', node: 'n1', change: 'removed' }],
        [60_000, fate('n2', 'rejected', 'n1')],
      ],
      {},
    ],
    [
      'hop-ended',
      [[89_500, { type: 'hop', hop: 'nginx', did: 'reload: old worker exits' }]],
      { ending: { how: 'fin' }, lastAnswer: 90_000 },
    ],
    [
      'hop-ended',
      [
        [60_000, gateway('drain')],
        [89_500, { type: 'hop', hop: 'nginx', did: 'worker-shutdown-timeout is over' }],
      ],
      { ending: { how: 'fin' }, lastAnswer: 90_000 },
    ],
    [
      'unattributed',
      [[89_500, { type: 'hop', hop: 'nginx', did: 'reload', kept: true }]],
      { ending: { how: 'fin' }, lastAnswer: 90_000 },
    ],
    [
      'evicted',
      [
        [79_000, evicted('granted', 60_000)],
        [80_000, gateway('sigterm')],
      ],
      { ending: close },
    ],
    [
      'gateway-closed',
      [
        [79_000, evicted('refused')],
        [80_000, gateway('sigterm')],
      ],
      { ending: close },
    ],
    [
      'evicted',
      [
        [79_000, evicted('granted', 60_000)],
        [80_000, gateway('sigterm')],
        [89_990, gateway('exit')],
      ],
      { ending: { how: 'fin' } },
    ],
    [
      'grace-cut',
      [
        [29_000, evicted('granted', 60_000)],
        [80_000, gateway('sigterm')],
        [89_000, gateway('killed')],
      ],
      { ending: { how: 'fin' } },
    ],
    [
      'node-off',
      [
        [50_000, power('n1')],
        [50_000, gateway('killed')],
        [60_000, fate('n1', 'dropped')],
      ],
      {},
    ],
    [
      'node-off',
      [
        [50_000, power('n2')],
        [60_000, fate('n2', 'dropped', 'n2')],
      ],
      {},
    ],
    [
      'evicted',
      [
        [40_000, evicted('granted')],
        [45_000, pod('gone')],
        [50_000, power('n1')],
        [60_000, fate('n1', 'dropped')],
      ],
      {},
    ],
    ['unattributed', [], {}],
    ['unattributed', [], { ending: close }],
  ] as [string, Entry[], Parameters<typeof attributed>[1]][])('%s', (expected, story, lost) => {
    const { cause, inferred } = attributed(story, lost);
    expect({ cause, inferred }).toEqual({ cause: expected, inferred: false });
  });

  test('is an expired tracking entry where a backend service moved the flow', () => {
    const story: Entry[] = [
      [31_000, balancer([])],
      [60_000, fate('n2', 'rejected', 'n1')],
    ];
    expect(attributed(story, {}, { axes: { balancer: 'backend-service' } }).cause).toBe('tracking-expired');
  });

  test('is what a hop had done long before it ended the connection', () => {
    const reload: TimedEvent = { type: 'hop', hop: 'nginx', did: 'reloads', kept: true };
    const { chain } = attributed(
      [
        [20_000, reload],
        [50_000, { ...reload, hop: 'another nginx' }],
        [60_000, { ...reload, did: 'reloads again' }],
        [89_500, { type: 'hop', hop: 'nginx', did: 'ends them', since: 20_050, connections: 3 }],
      ],
      { ending: { how: 'fin' }, lastAnswer: 90_000 },
    );
    expect(chain.moments.map(({ text }) => text)).toEqual([
      'nginx: reloads',
      'nginx: ends them (3 connections)',
    ]);
  });

  test('is the hop that closed a connection, though a packet met it closed in the moment when the client heard of it', () => {
    const story: Entry[] = [
      [90_000, { type: 'hop', hop: 'nginx', did: 'drains', act: 'drain' }],
      [90_000, fate('n1', 'reset')],
    ];
    expect(attributed(story, { ending: { how: 'fin' } }).cause).toBe('proxy-drained');
  });

  test('is the lost packet even where a close frame came through in the end', () => {
    const story: Entry[] = [
      [31_000, balancer([])],
      [60_000, fate('n2', 'rejected', 'n1')],
      [89_000, gateway('sigterm')],
    ];
    expect(attributed(story, { ending: close }).cause).toBe('fail-open-rehash');
  });
});

describe('on a measured cluster', () => {
  test.each([
    [
      'fail-open-rehash',
      [
        [10_100, endpoints()],
        [31_000, balancer([])],
      ],
      {},
    ],
    ['balancer-moved', [[31_000, balancer(['n2'])]], {}],
    ['node-removed', [[31_000, { type: 'node', node: 'n1', change: 'removed' }]], {}],
    ['dataplane-cut', [[31_000, rules('n1', 'none')]], {}],
    ['node-off', [[31_000, power('n1')]], {}],
    [
      'node-off',
      [
        [31_000, power('n1')],
        [31_200, gateway('killed')],
      ],
      { ending: { how: 'reset' } },
    ],
    [
      'evicted',
      [
        [80_000, evicted('granted')],
        [91_000, pod('terminating')],
      ],
      { ending: close },
    ],
    ['gateway-closed', [[91_000, pod('terminating')]], { ending: close }],
  ] as [string, Entry[], Parameters<typeof attributed>[1]][])(
    'a loss while the path changed is inferred to be %s',
    (expected, story, lost) => {
      const { cause, inferred } = attributed(story, lost, measured);
      expect({ cause, inferred }).toEqual({ cause: expected, inferred: true });
    },
  );

  test('with Cluster any node may have carried the connection that has lost its power', () => {
    const removed: TimedEvent = { type: 'node', node: 'n2', change: 'removed' };
    const causeOf = (...story: Entry[]) =>
      attributed(story, {}, { ...measured, axes: { policy: 'Cluster' } }).cause;
    expect(causeOf([31_000, power('n2')])).toBe('node-off');
    expect(causeOf([31_000, power('n2')], [31_100, removed])).toBe('node-removed');
    expect(attributed([[31_000, power('n2')]], {}, measured).cause).toBe('unattributed');
  });

  test('what a balancer held on an unhealthy backend was lost with that backend, or reset with its health', () => {
    const drains = balancer(['n2', 'n3'], { failOpen: false });
    const gone = balancer([], { backends: [], failOpen: false });
    const cause = (kind: Axes['balancer'], ...story: Entry[]) =>
      attributed(story, {}, { ...measured, axes: { balancer: kind } }).cause;
    expect(cause('backend-service-neg', [31_000, drains], [60_000, gone])).toBe('no-backend');
    expect(cause('backend-service-neg', [31_000, drains])).toBe('tracking-expired');
    expect(cause('nlb-instance', [31_000, drains])).toBe('balancer-reset');
    const without = balancer(['n2'], { backends: [{ node: 'n2', healthy: true }], failOpen: false });
    expect(cause('backend-service-neg', [31_000, drains], [60_000, without])).toBe('balancer-moved');
  });

  test('what falls silent when any node ends was lost with it, where the balancer goes on sending there', () => {
    const removed: Entry = [31_000, { type: 'node', node: 'n2', change: 'removed' }];
    const cause = (kind: Axes['balancer'], policy: Axes['policy']) =>
      attributed([removed], {}, { ...measured, axes: { balancer: kind, policy } }).cause;
    expect(cause('azure', 'Cluster')).toBe('node-removed');
    expect(cause('metallb-bgp', 'Cluster')).toBe('node-removed');
    expect(cause('azure', 'Local')).toBe('unattributed');
    expect(cause('target-pool', 'Cluster')).toBe('unattributed');
  });

  test('a change long before the last answer explains nothing', () => {
    const { cause } = attributed([[12_000, balancer(['n2'])]], { lastAnswer: 60_000 }, measured);
    expect(cause).toBe('unattributed');
  });

  test('every silent loss after failing open is attributed', () => {
    const cell = testCell({ ...measured, axes: { clients: 500 } });
    const { document } = analyze(cell, testLog(cell, 'fail-open'));
    expect(document.unattributed).toBe(0);
    expect(document.inferred).toBe(document.dropped);
  });
});

describe('the causing step', () => {
  test('is the cut-over rather than the wait that began as soon as the patch was accepted', () => {
    const { chain } = attributed([
      [10_005, step('watch')],
      [10_100, endpoints()],
      [31_000, balancer([])],
      [60_000, fate('n2', 'rejected', 'n1')],
    ]);
    expect(chain.step?.name).toBe('flip');
  });

  test('is the drain where a gateway drains, though the cut-over was just before', () => {
    const { chain } = attributed(
      [
        [12_000, step('drain v1')],
        [12_100, gateway('drain')],
      ],
      { ending: close },
    );
    expect(chain.step?.name).toBe('drain v1');
  });
});

describe("a chain holds what touched the client's own path, and nothing else", () => {
  test('of pods that a Service loses at once it names the own one', () => {
    const { lines } = attributed([
      [5000, endpoints('a', 'b', 'c', 'd')],
      [10_100, endpoints('b')],
      [10_200, rules('n1', 'none')],
      [40_000, fate('n1', 'reset', 'n1')],
    ]);
    expect(lines[1]).toBe('+100ms Service gateway loses a and 2 other pods; 1 ready endpoint now');
  });

  test("another pod's end, another Service's balancer and another node's rules are none of its business", () => {
    const { cause, chain } = attributed([
      [5000, endpoints('a', 'b')],
      [10_100, endpoints('a')],
      [10_200, rules('n2', 'none')],
      [10_300, { ...balancer([]), service: 'other' } as TimedEvent],
      [40_000, fate('n1', 'reset', 'n1', 'node')],
    ]);
    expect({ cause, moments: chain.moments }).toEqual({ cause: 'entry-expired', moments: [] });
  });

  test('a hop that the client did not come through ended nothing of it', () => {
    const story: Entry[] = [
      [80_000, { type: 'hop', hop: 'a istio-proxy', did: 'aborts', act: 'aborted' }],
      [89_999, { type: 'hop', hop: 'b istio-proxy', did: 'aborts', act: 'aborted' }],
    ];
    const { chain, cause } = attributed([[500, endpoints('a', 'b')], ...story], {
      ending: { how: 'fin' },
      lastAnswer: 79_000,
    });
    expect({ cause, texts: chain.moments.map(({ text }) => text) }).toEqual({
      cause: 'envoy-aborted',
      texts: ['a istio-proxy: aborts'],
    });
  });
});

describe('idling too long', () => {
  test('is a cause of its own, for which no step is blamed', () => {
    const { cause, chain, lines, row } = attributed(
      [[85_000, fate('n1', 'reset', 'n1', 'node')]],
      {},
      { axes: { proxy: 'ipvs' } },
    );
    expect({ cause, step: chain.step }).toEqual({ cause: 'entry-expired', step: undefined });
    expect(lines).toEqual(['no step of release or rollback led to this']);
    expect(describeLoss(row, chain)[0]).toMatch(/on n1, whose entry of the connection had expired, is reset/);
  });

  test('is what moved a flow whose node the balancer still had, and not the release', () => {
    const { cause, chain } = attributed([[60_000, fate('n2', 'misdelivered', 'n1', 'balancer')]]);
    expect({ cause, step: chain.step }).toEqual({ cause: 'tracking-expired', step: undefined });
  });
});

describe('what a hop says of how it ended a connection is a cause each', () => {
  test.each([
    ['shutdown-timeout', 'proxy-shutdown-timeout'],
    ['idle', 'proxy-idle'],
    ['drain', 'proxy-drained'],
    ['lifetime', 'proxy-lifetime'],
    ['aborted', 'envoy-aborted'],
    ['ended', 'proxy-ended'],
    [undefined, 'hop-ended'],
  ] as const)('%s', (act, expected) => {
    const hop: TimedEvent = { type: 'hop', hop: 'nginx', did: 'ends it', ...(act && { act }) };
    expect(attributed([[89_990, hop]], { ending: { how: 'fin' }, lastAnswer: 89_990 }).cause).toBe(expected);
  });
});

describe("a proxy's log that comes late", () => {
  const late: Entry[] = [[90_000 + 60_000, { type: 'hop', hop: 'nginx', did: 'x', act: 'shutdown-timeout' }]];
  const ending = { ending: { how: 'fin' }, lastAnswer: 90_000 } as const;

  test('by less than three seconds of real time explains a drop, however fast the model runs', () => {
    expect(attributed(late, ending, { ...measured, speed: 36 }).cause).toBe('proxy-shutdown-timeout');
  });

  test.each([
    ['by a minute of real time explains nothing', { ...measured, speed: 1 }],
    ['explains nothing where time is virtual', {}],
  ])('%s', (_, cell) => {
    expect(attributed(late, ending, cell).cause).toBe('unattributed');
  });
});

test('chains that differ only in when things happened are told as one', () => {
  const chain = (at: number, text: string, rows: number) => ({
    cause: 'proxy-idle' as const,
    inferred: false,
    step: undefined,
    moments: [{ at, kind: 'hop' as const, text }],
    rows,
  });
  const told = commonChains([chain(1, 'a', 1), chain(2, 'b', 2), chain(3, 'a', 4)]);
  expect(told.map(({ rows, index }) => ({ rows, index }))).toEqual([
    { rows: 5, index: 0 },
    { rows: 2, index: 1 },
  ]);
});
