import { describe, expect, it } from 'vitest';
import { Random } from '../../../harness/statistics/random.ts';
import {
  createPool,
  failOpen,
  healthCheck,
  nextChange,
  observe,
  type Pool,
  type PoolConfig,
  pass,
  program,
  reconfigure,
  recreate,
  setMembers,
} from './load-balancer.ts';
import type { Member } from './members.ts';

const NODES = ['node-1', 'node-2', 'node-3'];
const members = (...names: string[]): Member[] => names.map((name) => ({ name, node: name }));
const config = (changes: Partial<PoolConfig> = {}): PoolConfig => ({
  service: 'gateway',
  address: '172.18.255.200',
  port: 80,
  kind: 'target-pool',
  policy: 'Local',
  affinity: 'None',
  healthCheckPort: 32_000,
  nodePort: 30_080,
  random: new Random(1),
  ...changes,
});
const pool = (changes: Partial<PoolConfig> = {}, names = NODES) =>
  createPool(config(changes), members(...names), 0);
const [NODE] = members('node-1') as [Member];
const healthy = (current: Pool) => program(current).backends.map((backend) => backend.healthy);
const names = (current: Pool) => program(current).backends.map(({ name }) => name);
/** What flows on a backend get. */
const held = (current: Pool, name: string) =>
  program(current).backends.find((backend) => backend.name === name)?.held;

const observed = (start: Pool, ...results: [node: string, ok: boolean][]) =>
  results.reduce((current, [node, ok]) => observe(current, node, ok, 0), start);

const reached = (current: Pool) => {
  const { table, backends } = program(current);
  return [...new Set(table)].map((index) => backends[index]?.name).sort();
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

  it('asks as its entry says for each kind of balancer and policy', () => {
    const asks = (changes: Partial<PoolConfig>, member = NODE) => healthCheck(pool(changes), member);
    expect(asks({})).toMatchObject({ port: 32_000, interval: 8000, unhealthyThreshold: 3 });
    expect(asks({ policy: 'Cluster' })).toMatchObject({ port: 10_256, interval: 8000 });
    expect(asks({ kind: 'backend-service' })).toMatchObject({ port: 32_000, interval: 3000 });
    expect(asks({ kind: 'azure', policy: 'Cluster' })).toMatchObject({ port: 30_080, asks: 'traffic-port' });
    const pod = { ...NODE, pod: { address: '10.0.0.2', port: 8080 } };
    expect(asks({ kind: 'nlb-ip' }, pod)).toMatchObject({ port: 8080, healthyThreshold: 3 });
    expect(asks({ kind: 'metallb-bgp' })).toBeUndefined();
  });

  it('keeps, moves or resets tracked flows of an unhealthy node as its entry says', () => {
    const failed = (kind: PoolConfig['kind']) => {
      const before = createPool(config({ kind }), members(...NODES), -1e6);
      const up = observed(before, ...Array.from({ length: 3 }, () => ['node-1', true] as [string, boolean]));
      expect(held(up, 'node-1')).toBe('kept');
      return held(
        observed(up, ...Array.from({ length: 3 }, () => ['node-1', false] as [string, boolean])),
        'node-1',
      );
    };
    expect(failed('target-pool')).toBe('moved');
    expect(failed('target-pool-persistent')).toBe('kept');
    expect(failed('backend-service')).toBe('kept');
    expect(failed('nlb-instance')).toBe('reset');
    expect(failed('azure')).toBe('kept');
  });

  it('hashes over the source address alone with sessionAffinity ClientIP', () => {
    expect(program(pool({ affinity: 'ClientIP' })).hash).toBe('source-address');
  });

  it('takes new nodes in as unhealthy and leaves the others as they were', () => {
    const grown = setMembers(observed(pool(), ['node-2', true]), members(...NODES, 'node-4'), 0);
    expect(healthy(grown)).toEqual([false, true, false, false]);
    expect(reached(grown)).toEqual(['node-2']);
    expect(setMembers(grown, members(...NODES, 'node-4'), 0)).toBe(grown);
  });

  it('drops a removed node at once from a target pool', () => {
    expect(names(setMembers(pool(), members('node-1', 'node-3'), 0))).toEqual(['node-1', 'node-3']);
  });

  it('drains a removed node of a backend service for 30 seconds', () => {
    const service = observed(pool({ kind: 'backend-service' }), ['node-1', true], ['node-2', true]);
    const draining = setMembers(service, members('node-1', 'node-3'), 1000);
    expect(names(draining)).toEqual(['node-1', 'node-3', 'node-2']);
    expect(reached(draining)).toEqual(['node-1']);
    expect(nextChange(draining, 1000)).toBe(31_000);
    expect(names(pass(draining, 31_000))).toEqual(['node-1', 'node-3']);
  });

  it('goes on sending new flows to a deregistered target for 120 seconds, and keeps held ones beyond', () => {
    const ready = pass(pool({ kind: 'nlb-instance' }), 200_000);
    const up = NODES.reduce(
      (current, node) => observe(observe(current, node, true, 200_000), node, true, 200_000),
      ready,
    );
    const left = setMembers(up, members('node-1', 'node-3'), 200_000);
    expect(reached(left)).toEqual(NODES);
    expect(nextChange(left, 200_000)).toBe(320_000);
    const later = pass(left, 320_000);
    expect(reached(later)).toEqual(['node-1', 'node-3']);
    expect(held(later, 'node-2')).toBe('kept');
  });

  it('sends nothing to a new target before it has registered, and then only once it is healthy', () => {
    const young = pool({ kind: 'nlb-ip' }, ['node-1']);
    expect(reached(young)).toEqual([]);
    expect(observe(young, 'node-1', true, 80_000)).toBe(young);
    const registered = nextChange(young, 0) ?? 0;
    expect(registered).toBeGreaterThanOrEqual(90_000);
    expect(registered).toBeLessThanOrEqual(180_000);
  });

  it('holds the flows of a target that comes back while it drains, although it must register anew', () => {
    const up = [0, 1, 2].reduce(
      (current) => observe(current, 'node-1', true, 200_000),
      pool({ kind: 'nlb-ip' }),
    );
    const back = setMembers(setMembers(up, [], 200_000), members('node-1'), 210_000);
    expect(healthy(back)[0]).toBe(false);
    expect(held(back, 'node-1')).toBe('kept');
    const failing = [0, 1, 2].reduce((current) => observe(current, 'node-1', false, 900_000), back);
    expect(held(failing, 'node-1')).toBe('reset');
  });

  it('takes an edit that is made in place without forgetting anybody', () => {
    const before = observed(pool({ kind: 'backend-service' }), ['node-2', true]);
    const after = reconfigure(before, config({ kind: 'backend-service', policy: 'Cluster' }), 0);
    expect(program(after).generation).toBe(program(before).generation);
    expect(healthy(after)).toEqual([false, true, false]);
    expect(healthCheck(after, NODE)?.port).toBe(10_256);
  });

  it('forgets tracked flows and health when the forwarding rule is recreated', () => {
    const before = observed(pool(), ['node-2', true]);
    const after = recreate(before, config({ policy: 'Cluster', affinity: 'ClientIP' }), members(...NODES), 0);
    expect(program(after).generation).toBe(program(before).generation + 1);
    expect(failOpen(after)).toBe(true);
    expect(healthCheck(after, NODE)?.port).toBe(10_256);
  });

  it('has an empty table when there is no node at all, or none healthy where nobody fails open', () => {
    expect(program(pool({}, [])).table).toHaveLength(0);
    expect(failOpen(pool({}, []))).toBe(false);
    expect(program(pool({ kind: 'azure' })).table).toHaveLength(0);
    expect(failOpen(pool({ kind: 'azure' }))).toBe(false);
  });
});
