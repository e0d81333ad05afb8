import { describe, expect, test } from 'vitest';
import { type Axes, type AxisName, defaultAxes } from '../contracts/axes.ts';
import { testCell } from './test-log.ts';
import { aboutCells, speedUnheeded, told, unheeded, warningsAfter, warningsBefore } from './warnings.ts';

const ROLLING: readonly AxisName[] = ['maxSurge', 'maxUnavailable'];
const FLIP: readonly AxisName[] = ['retire', 'ask'];

/** The warnings of one cell of a strategy that heeds these axes. */
const of = (heeds: readonly AxisName[], changes: Partial<Axes>, typed: readonly AxisName[] = []) =>
  warningsBefore({ axes: defaultAxes(changes), heeds, typed: new Set(typed), builtIn: true });

test('nothing is said of a cell with the defaults, whatever strategy plays it', () => {
  for (const heeds of [ROLLING, FLIP, ['handoffBy'], ['churn'], ['canarySteps', 'proxyReadTimeout']] as const)
    for (const policy of ['Cluster', 'Local'] as const) expect(of(heeds, { policy })).toEqual([]);
});

describe('pods that end', () => {
  test('a paced drain beyond the grace period ends most connections by SIGKILL', () => {
    expect(of(ROLLING, { drain: 'paced', drainOver: 300_000, grace: 30_000 })).toEqual([
      "The paced drain takes 5m, but the grace period is 30s: SIGKILL ends about 90 % of a pod's connections at once, before they were asked to go.",
    ]);
    const late = { drain: 'paced', drainOver: 60_000, preStop: 60_000, grace: 90_000 } as const;
    expect(of(ROLLING, late)[0]).toMatch(/after a preStop hook of 1m.*about 50 %/);
    expect(of(ROLLING, { ...late, grace: 120_000 })).toEqual([]);
    expect(of(FLIP, { ...late, retire: 'abrupt' })).toHaveLength(1);
    // Nobody is left on a pod that was emptied before.
    expect(of(FLIP, { ...late, retire: 'paced' })).toEqual([]);
  });

  test('whoever drains a node may grant a pod less than it asks for', () => {
    const hour = { grace: 3_600_000, drain: 'paced', drainOver: 3_600_000 } as const;
    expect(of(['by'], { ...hour, by: 'cluster-autoscaler' })).toEqual([
      'cluster-autoscaler lets a pod live for 10m after its eviction, not for the 1h that it asks for: what is connected then is lost at once.',
      expect.stringMatching(/the grace period is 10m: SIGKILL ends about 83 %/),
    ]);
    expect(of(['by'], { ...hour, by: 'karpenter' })).toEqual([]);
    expect(of(['by'], { by: 'spot' })[0]).toMatch(/^spot lets a pod live for 15s/);
    expect(of(ROLLING, { ...hour, by: 'cluster-autoscaler' })).toEqual([]);
  });

  test('what somebody else’s gateway does on SIGTERM is not known', () => {
    const axes = defaultAxes({ drain: 'paced' });
    expect(warningsBefore({ axes, heeds: ROLLING, typed: new Set(), builtIn: false })).toEqual([]);
  });

  test('a preStop hook that takes the whole grace period leaves two seconds', () => {
    for (const heeds of [ROLLING, FLIP, ['handoffBy']] as const) {
      const warnings = of(heeds, { preStop: 300_000, grace: 30_000 });
      expect(warnings).toHaveLength(1);
      expect(warnings[0]).toMatch(
        /^The preStop hook \(5m\) .* grace period \(30s\).*SIGTERM 2s before SIGKILL/,
      );
    }
    expect(of(['churn'], { preStop: 300_000, grace: 30_000 })).toEqual([]);
    expect(of(FLIP, { preStop: 29_000, grace: 30_000 })).toEqual([]);
  });

  test('a grace period of none, and one that is no whole number of seconds, are told', () => {
    expect(of(ROLLING, { grace: 0 })).toEqual([expect.stringMatching(/grace period of 0.*2s from SIGTERM/)]);
    expect(of(ROLLING, { grace: 1500 })).toEqual(['--grace 1.5s is played as 2s: it counts whole seconds.']);
    expect(of(['proxyReadTimeout'], { proxyReadTimeout: 90_500 })).toHaveLength(1);
  });

  test('with policy Local it matters whether the preStop hook outlasts the balancer’s detection', () => {
    const local = { policy: 'Local', grace: 90_000 } as const;
    expect(of(ROLLING, { ...local, preStop: 10_000 })[0]).toMatch(
      /16s to 26s.*new connections to that node are lost/,
    );
    expect(of(ROLLING, { ...local, preStop: 60_000 })[0]).toMatch(
      /moves a node's connections away 16s to 26s.*1m/,
    );
    expect(of(ROLLING, { ...local, preStop: 60_000, balancer: 'backend-service' })).toEqual([]);
    expect(of(ROLLING, { ...local, preStop: 5000, balancer: 'backend-service' })).toHaveLength(1);
    expect(of(ROLLING, { ...local, preStop: 60_000, nodes: 1 })).toEqual([]);
    expect(of(ROLLING, { ...local, preStop: 60_000, policy: 'Cluster' })).toEqual([]);
    expect(of(FLIP, { ...local, preStop: 60_000 })).toEqual([]);
    expect(of(ROLLING, { ...local, preStop: 60_000, balancer: 'backend-service-neg' })[0]).toMatch(
      /moves a node's connections away 3s to 15s .* and a drain of 30s/,
    );
    expect(of(ROLLING, { ...local, preStop: 60_000, balancer: 'nlb-instance' })[0]).toMatch(
      /resets .* 10s to 27s/,
    );
    expect(of(ROLLING, { ...local, preStop: 60_000, balancer: 'azure' })).toEqual([]);
  });
});

test.for([
  [['proxyReadTimeout'], { heartbeat: 120_000 }, /\(2m\).*1m.*nginx/],
  [['proxyReadTimeout'], { heartbeat: 120_000, proxyReadTimeout: 180_000 }, undefined],
  [['meshRouting'], { heartbeat: 300_000 }, /5m.*Envoy/],
  [['meshRouting'], { heartbeat: 300_000, meshRouting: 'tcp' }, undefined],
  [ROLLING, { heartbeat: 900_000, proxy: 'ipvs' }, /15m.*IPVS/],
  [ROLLING, { heartbeat: 840_000, proxy: 'ipvs' }, undefined],
  [ROLLING, { heartbeat: 61_000, balancer: 'backend-service' }, /1m.*balancer forgets/],
  [ROLLING, { heartbeat: 30_000, balancer: 'backend-service' }, undefined],
  [ROLLING, { heartbeat: 61_000 }, undefined],
  [ROLLING, { heartbeat: 350_000, balancer: 'nlb-instance' }, /5m50s.*reset/],
  [ROLLING, { heartbeat: 240_000, balancer: 'azure' }, /4m.*reset/],
  [ROLLING, { heartbeat: 900_000, balancer: 'metallb-bgp' }, undefined],
] as readonly [readonly AxisName[], Partial<Axes>, RegExp | undefined][])(
  'a heartbeat above an idle time in the path is told: %j %j',
  ([heeds, changes, expected]) => {
    const warnings = of(heeds, changes);
    if (expected === undefined) expect(warnings).toEqual([]);
    else expect(warnings).toEqual([expect.stringMatching(expected)]);
  },
);

test('nodes that all carry pods are not replaced', () => {
  expect(of(['churn'], { pods: 3, nodes: 3 })).toEqual([expect.stringContaining('nothing happens')]);
});

test('an option that the other values of its cell make idle is told where it was typed', () => {
  const cases: readonly [readonly AxisName[], Partial<Axes>, AxisName][] = [
    [['dnsTtl', ...FLIP], { switchBy: 'selector' }, 'dnsTtl'],
    [FLIP, { retire: 'abrupt' }, 'ask'],
    [['promote'], { ingressApi: 'gateway-api' }, 'promote'],
    [['reloadEvery'], { reloads: 1 }, 'reloadEvery'],
    [['workerShutdownTimeout'], { ingress: 'traefik' }, 'workerShutdownTimeout'],
    [FLIP, { backoffModel: 'phoenix' }, 'backoff'],
    [FLIP, { retire: 'abrupt' }, 'drainOver'],
  ];
  for (const [heeds, changes, axis] of cases) {
    expect(of(heeds, changes)).toEqual([]);
    expect(of(heeds, changes, [axis])).toEqual([expect.stringContaining('changes nothing in this cell')]);
  }
});

test('a maximum age that sends clients away for long is told with the share that is away', () => {
  const minute = 60_000;
  expect(of(ROLLING, { maxAge: 2 * minute, backoff: 5 * minute })).toEqual([
    'With --max-age 2m and a back-off of up to 5m about 56 % of the clients are away at any time, release or not.',
  ]);
  expect(of(ROLLING, { maxAge: 60 * minute, backoff: 5 * minute })).toEqual([]);
  expect(of(ROLLING, { maxAge: minute, backoff: 5 * minute, backoffModel: 'phoenix' })).toEqual([]);
});

test('a keep-alive is no silence to tables, but it is to proxies, and idle where pings come sooner', () => {
  const minute = 60_000;
  const quiet = { heartbeat: 20 * minute, proxy: 'ipvs' } as const;
  expect(of(ROLLING, quiet)).toHaveLength(1);
  expect(of(ROLLING, { ...quiet, keepalive: 5 * minute })).toEqual([]);
  expect(of(['proxyReadTimeout'], { heartbeat: 20 * minute, keepalive: minute / 2 })).toHaveLength(1);
  expect(of(ROLLING, { keepalive: minute }, ['keepalive'])[0]).toContain('--keepalive changes nothing');
});

test("an autoscaler's own tolerance is dropped by releases before 1.35", () => {
  const said = (kubernetes: Axes['kubernetes']) =>
    of(['hpaTolerance'], { kubernetes, hpaTolerance: '1%' }, ['hpaTolerance']);
  expect(said('1.34')[0]).toContain('before Kubernetes 1.35');
  expect(said('1.35')).toEqual([]);
});

test('what nothing heeds is told, with what would', () => {
  expect(unheeded('canarySteps', '5-100', ['ingress-canary', 'service-mesh'])).toBe(
    '--canary-steps 5-100 changes nothing: only ingress-canary and service-mesh heed it.',
  );
  expect(speedUnheeded(10, 'sim', Number.POSITIVE_INFINITY)).toBe(
    '--speed 10 changes nothing: time on sim is virtual.',
  );
  expect(speedUnheeded(10, 'kind', 1)).toMatch(/real/);
  expect(speedUnheeded(10, 'netns', 10)).toBeUndefined();
});

test('a release that was over before it could be rolled back is told, one that was interrupted is not', () => {
  const cell = testCell({ axes: { rollbackAfter: 7_200_000 } });
  const step = (phase: 'release' | 'rollback', begin: number, end: number | null) => ({
    name: '',
    phase,
    begin,
    end,
    cutOver: false,
    fault: false,
  });
  const whole = [step('release', 100_000, 160_000), step('rollback', 160_000, 170_000)];
  expect(warningsAfter(cell, whole)).toEqual([
    'The release was over after 1m, before --rollback-after 2h: nothing was interrupted, and what was rolled back is a whole release.',
  ]);
  expect(warningsAfter(testCell({ axes: { rollbackAfter: 60_000 } }), whole)).toEqual([]);
  expect(warningsAfter(cell, [step('release', 100_000, null), ...whole.slice(1)])).toEqual([]);
  expect(warningsAfter(testCell(), whole.slice(0, 1))).toEqual([]);
  expect(warningsAfter({ ...cell, rollsBack: 'another' }, whole)).toEqual([]);
});

test('a warning names the cells that it is about, unless it is about all', () => {
  const cells = ['a', 'b', 'c', 'd', 'e'].map((name) => ({
    name,
    warnings: ['x', ...(name === 'a' ? [] : ['y'])],
  }));
  expect(told(cells).map((one) => [one.warning, aboutCells(one)])).toEqual([
    ['x', undefined],
    ['y', 'b; c; d and 1 more'],
  ]);
});

describe('limited pods', () => {
  const busy = (calmUse: number, changes: Partial<Axes>, builtIn = true) =>
    warningsBefore({ axes: defaultAxes(changes), heeds: ROLLING, typed: new Set(), builtIn, calmUse });

  test('that pings alone keep busy, or would without one of them, are told', () => {
    expect(busy(0.4, { podCpu: 0.5, pods: 4 })[0]).toMatch(/^Without one of the 4 pods .* busy for 107 %/);
    expect(busy(0.36, { podCpu: 0.5, pods: 4 })).toEqual([]);
    expect(busy(0.6, { podCpu: 0.5, pods: 4 })[0]).toMatch(
      /keep a pod busy for 120 % .* falls without any release/,
    );
    expect(busy(0.9, { podCpu: 1, pods: 1 })).toEqual([]);
    expect(busy(9, { pods: 4 })).toEqual([]);
  });

  test('are what processor time that is asked for counts with', () => {
    const of = (changes: Partial<Axes>) =>
      warningsBefore({
        ...{ axes: defaultAxes(changes), heeds: ROLLING, builtIn: true },
        typed: new Set(['handshakeCpu', 'messageCpu']),
      });
    expect(of({ handshakeCpu: 10_000 })).toEqual([
      expect.stringMatching(
        /^Without --pod-cpu nobody waits for what --handshake-cpu and --message-cpu cost:/,
      ),
    ]);
    expect(of({ handshakeCpu: 10_000, podCpu: 1 })).toEqual([]);
  });

  test('heed their limits only where the gateway is the built-in one, and some of them only together', () => {
    const typed = new Set(['podCpu', 'connectionMemory', 'recoverWithin']);
    const of = (changes: Partial<Axes>, builtIn: boolean) =>
      warningsBefore({ axes: defaultAxes(changes), heeds: ROLLING, typed, builtIn });
    expect(of({ podCpu: 1 }, false)[0]).toContain(
      '--pod-cpu changes nothing in this cell: only the built-in',
    );
    expect(of({}, true)).toEqual([
      '--connection-memory changes nothing in this cell: it counts with --pod-memory.',
      '--recover-within changes nothing in this cell: it is judged with --pod-cpu.',
    ]);
  });
});
