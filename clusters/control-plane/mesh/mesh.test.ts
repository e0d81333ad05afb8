import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { defaultAxes } from '../../../harness/contracts/axes.ts';
import { meshWorkload } from '../../../harness/workload/mesh-workload.ts';
import {
  agentSettings,
  agentTermination,
  type DestinationRule,
  drainedListeners,
  type IstioGateway,
  idleTimeout,
  type MeshConfig,
  type MeshListener,
  type MeshObjects,
  meshConfig,
  type VirtualService,
} from './mesh.ts';

const LABELS = meshWorkload(defaultAxes()).selector;

/** The strategy's own manifests with one ready pod of each version, and this share for v2. */
function objects(meshRouting: 'http' | 'tcp', weight: number): MeshObjects {
  const { routing, service, virtualService } = meshWorkload(defaultAxes({ meshRouting }));
  const versions = ['v1', 'v2'] as const;
  return {
    gateways: routing.filter(({ kind }) => kind === 'Gateway') as IstioGateway[],
    destinationRules: routing.filter(({ kind }) => kind === 'DestinationRule') as DestinationRule[],
    virtualServices: [virtualService(weight) as VirtualService],
    services: [service],
    pods: versions.map((version) => ({
      metadata: { name: `pod-${version}`, labels: { app: 'gateway', version } },
    })),
    slices: [
      {
        metadata: { name: 'slice', labels: { 'kubernetes.io/service-name': service.metadata?.name ?? '' } },
        addressType: 'IPv4',
        ports: [{ name: `${meshRouting}-ws`, port: 8080 }],
        endpoints: versions.map((version, index) => ({
          addresses: [`10.244.1.${2 + index}`],
          conditions: { ready: true },
          targetRef: { kind: 'Pod', name: `pod-${version}` },
        })),
      },
    ],
  };
}

const config = (meshRouting: 'http' | 'tcp', weight: number): MeshConfig =>
  meshConfig(objects(meshRouting, weight), LABELS);

describe('what istiod makes of a VirtualService', () => {
  it.each(['http', 'tcp'] as const)('splits new %s connections by weight between the subsets', (routing) => {
    const { routes, clusters } = config(routing, 25);
    expect(routes).toEqual([
      {
        name: `${routing}.8080`,
        choices: [
          { backend: 'outbound|80|v1|gateway-mesh', weight: 75 },
          { backend: 'outbound|80|v2|gateway-mesh', weight: 25 },
        ],
      },
    ]);
    expect(clusters).toEqual([
      { name: 'outbound|80|v1|gateway-mesh', endpoints: [{ address: '10.244.1.2', port: 8080 }] },
      { name: 'outbound|80|v2|gateway-mesh', endpoints: [{ address: '10.244.1.3', port: 8080 }] },
    ]);
  });

  it('changes no HTTP listener with the weights, and the TCP listener with each of them', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 100 }), fc.integer({ min: 0, max: 100 }), (one, other) => {
        expect(drainedListeners(config('http', one), config('http', other))).toEqual([]);
        expect(drainedListeners(config('tcp', one), config('tcp', other))).toHaveLength(
          one === other ? 0 : 1,
        );
      }),
    );
  });

  it('changes no listener at all when endpoints come and go', () => {
    for (const routing of ['http', 'tcp'] as const) {
      const before = objects(routing, 50);
      const after = meshConfig({ ...before, slices: [] }, LABELS);
      expect(after.clusters.flatMap(({ endpoints }) => endpoints)).toEqual([]);
      expect(drainedListeners(meshConfig(before, LABELS), after)).toEqual([]);
    }
  });

  it('drains a listener whose protocol changes or whose route goes', () => {
    expect(drainedListeners(config('http', 0), config('tcp', 0))).toHaveLength(1);
    const none = meshConfig({ ...objects('tcp', 0), virtualServices: [] }, LABELS);
    expect(none.listeners).toEqual([]);
    expect(drainedListeners(config('tcp', 0), none)).toHaveLength(1);
  });

  it('leaves a HTTP listener without any route in place, which then answers by itself', () => {
    const { listeners, routes } = meshConfig({ ...objects('http', 0), virtualServices: [] }, LABELS);
    expect(listeners).toHaveLength(1);
    expect(routes).toEqual([{ name: 'http.8080', choices: [] }]);
  });

  it('gives a subset that no DestinationRule defines no endpoint', () => {
    const { clusters } = meshConfig({ ...objects('http', 50), destinationRules: [] }, LABELS);
    expect(clusters.flatMap(({ endpoints }) => endpoints)).toEqual([]);
  });

  it('tells proxies that no Gateway selects nothing', () => {
    expect(meshConfig(objects('http', 50), { istio: 'other' }).listeners).toEqual([]);
  });

  it('bears a silent HTTP stream for 5 minutes and a silent TCP connection for an hour', () => {
    expect(idleTimeout(config('http', 0).listeners[0] as MeshListener)).toBe(300_000);
    expect(idleTimeout(config('tcp', 0).listeners[0] as MeshListener)).toBe(3_600_000);
  });
});

describe('how pilot-agent ends Envoy', () => {
  const settings = (value: object) =>
    agentSettings({ metadata: { annotations: { 'proxy.istio.io/config': JSON.stringify(value) } } });
  const stays = agentSettings({});
  const waits = settings({ proxyMetadata: { EXIT_ON_ZERO_ACTIVE_CONNECTIONS: 'true' } });

  /** How long after SIGTERM Envoy is aborted when its connections are gone after `emptyAfter`. */
  function abortedAfter(agent: typeof stays, emptyAfter: number): number {
    let since = 0;
    for (;;) {
      const next = agentTermination(agent, since, since < emptyAfter ? 1 : 0);
      if (next === 'abort') return since;
      since += next.askAfter;
    }
  }

  it('aborts after 5 s, whoever is still connected, and no sooner where nobody is', () => {
    expect(abortedAfter(stays, 0)).toBe(5000);
    expect(abortedAfter(stays, 3_600_000)).toBe(5000);
    expect(abortedAfter(settings({ terminationDrainDuration: '1m' }), 3_600_000)).toBe(60_000);
  });

  it('waits for the last connection with EXIT_ON_ZERO_ACTIVE_CONNECTIONS, asking once a second after 5 s', () => {
    expect(abortedAfter(waits, 0)).toBe(6000);
    expect(abortedAfter(waits, 120_000)).toBe(120_000);
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 7_200_000 }), (emptyAfter) => {
        const after = abortedAfter(waits, emptyAfter);
        expect(after).toBeGreaterThanOrEqual(Math.max(6000, emptyAfter));
        expect(after).toBeLessThan(Math.max(6001, emptyAfter + 1000));
      }),
    );
  });
});
