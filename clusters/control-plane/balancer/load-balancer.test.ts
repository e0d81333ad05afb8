import { describe, expect, it } from 'vitest';
import {
  createPool,
  failOpen,
  healthCheck,
  observe,
  type Pool,
  type PoolConfig,
  program,
  recreate,
  setNodes,
} from './load-balancer.ts';

const NODES = ['node-1', 'node-2', 'node-3'];
const pool = (changes: Partial<PoolConfig> = {}) =>
  createPool({
    service: 'gateway',
    address: '172.18.255.200',
    port: 80,
    kind: 'target-pool',
    stickiness: 'rehash',
    policy: 'Local',
    affinity: 'None',
    healthCheckPort: 32000,
    nodes: NODES,
    ...changes,
  });

const observed = (start: Pool, ...results: [node: string, ok: boolean][]) =>
  results.reduce((current, [node, ok]) => observe(current, node, ok, 0), start);

const reached = (current: Pool) => {
  const { table, nodes } = program(current);
  return [...new Set(table)].map((index) => nodes[index]).sort();
};

describe('a balancer pool', () => {
  it('spreads over all nodes as long as none has proved its health', () => {
    expect(failOpen(pool())).toBe(true);
    expect(reached(pool())).toEqual(NODES);
  });

  it('sends everything to the one node that is healthy', () => {
    const local = observed(pool(), ['node-2', true], ['node-1', false], ['node-3', false]);
    expect(reached(local)).toEqual(['node-2']);
    expect(failOpen(local)).toBe(false);
  });

  it('keeps a node through two failures and fails open at the third', () => {
    const healthy = observed(pool(), ['node-2', true]);
    const twice = observed(healthy, ['node-2', false], ['node-2', false]);
    expect(twice).toBe(healthy);
    const thrice = observed(twice, ['node-2', false]);
    expect(failOpen(thrice)).toBe(true);
    expect(reached(thrice)).toEqual(NODES);
  });

  it('counts only failures in a row', () => {
    const healthy = observed(pool(), ['node-2', true]);
    const flapping = observed(
      healthy,
      ['node-2', false],
      ['node-2', false],
      ['node-2', true],
      ['node-2', false],
      ['node-2', false],
    );
    expect(flapping).toBe(healthy);
  });

  it('asks as GKE does for each kind of balancer and policy', () => {
    expect(healthCheck(pool())).toMatchObject({ port: 32000, interval: 8000, unhealthyThreshold: 3 });
    expect(healthCheck(pool({ policy: 'Cluster' }))).toMatchObject({ port: 10256, interval: 8000 });
    const service = { kind: 'backend-service' } as const;
    expect(healthCheck(pool(service))).toMatchObject({ port: 32000, interval: 3000, unhealthyThreshold: 2 });
    expect(healthCheck(pool({ ...service, policy: 'Cluster' }))).toMatchObject({ interval: 8000 });
  });

  it('keeps tracked flows off unhealthy nodes only as a target pool without persistence', () => {
    expect(program(pool()).tracking.keep).toBe('while-healthy');
    expect(program(pool({ stickiness: 'persist' })).tracking.keep).toBe('always');
    expect(program(pool({ kind: 'backend-service' })).tracking.keep).toBe('always');
  });

  it('hashes over the source address alone with sessionAffinity ClientIP', () => {
    expect(program(pool({ affinity: 'ClientIP' })).hash).toBe('source-address');
  });

  it('takes new nodes in as unhealthy and leaves the others as they were', () => {
    const grown = setNodes(observed(pool(), ['node-2', true]), [...NODES, 'node-4'], 0);
    expect(program(grown).healthy).toEqual([false, true, false, false]);
    expect(reached(grown)).toEqual(['node-2']);
    expect(setNodes(grown, [...NODES, 'node-4'], 0)).toBe(grown);
  });

  it('drops a removed node at once from a target pool', () => {
    const shrunk = setNodes(pool(), ['node-1', 'node-3'], 0);
    expect(program(shrunk).nodes).toEqual(['node-1', 'node-3']);
  });

  it('drains a removed node of a backend service for 30 seconds', () => {
    const service = observed(pool({ kind: 'backend-service' }), ['node-1', true], ['node-2', true]);
    const draining = setNodes(service, ['node-1', 'node-3'], 1000);
    expect(program(draining).nodes).toEqual(['node-1', 'node-3', 'node-2']);
    expect(reached(draining)).toEqual(['node-1']);
    expect(observe(draining, 'node-1', true, 30_999)).toBe(draining);
    expect(program(observe(draining, 'node-1', true, 31_000)).nodes).toEqual(['node-1', 'node-3']);
  });

  it('forgets tracked flows and health when the forwarding rule is recreated', () => {
    const before = observed(pool(), ['node-2', true]);
    const after = recreate(before, { policy: 'Cluster', affinity: 'ClientIP' }, 0);
    expect(program(after).generation).toBe(program(before).generation + 1);
    expect(failOpen(after)).toBe(true);
    expect(healthCheck(after).port).toBe(10256);
  });

  it('has an empty table when there is no node at all', () => {
    expect(program(pool({ nodes: [] })).table).toHaveLength(0);
    expect(failOpen(pool({ nodes: [] }))).toBe(false);
  });
});
