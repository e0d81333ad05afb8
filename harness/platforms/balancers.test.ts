import { describe, expect, test } from 'vitest';
import { removalOf, type Seen, settlesAfter } from './balancer-entry.ts';
import { BALANCER_NAMES, BALANCERS, balancerNamed, balancersSeen } from './balancers.ts';

const POLICIES = ['Cluster', 'Local'] as const;

describe.each(BALANCER_NAMES)('the entry %s', (name) => {
  const entry = BALANCERS[name];

  test('names what it stands for, and how each thing about it is known', () => {
    expect(entry.title).not.toBe('');
    expect(entry.versions).not.toBe('');
    expect(entry.properties.length).toBeGreaterThan(2);
    for (const { says, source } of entry.properties) expect(`${says}${source}`).toMatch(/\w.*\w/);
    expect(new Set(entry.properties.map(({ says }) => says)).size).toBe(entry.properties.length);
  });

  test('has times that can be', () => {
    const { told, vanished, registration, takesOn, drain } = entry.times;
    for (const [least, most] of [told, vanished, registration, takesOn]) {
      expect(least).toBeGreaterThanOrEqual(0);
      expect(most).toBeGreaterThanOrEqual(least);
    }
    expect(drain).toBeGreaterThanOrEqual(0);
    for (const policy of POLICIES) {
      const { interval, timeout } = entry.checks[policy] ?? { interval: 1, timeout: 0 };
      expect(timeout).toBeLessThanOrEqual(interval);
    }
  });

  test('tells that it forgets silent flows, where it does', () => {
    const told = entry.properties.some(({ says }) => /silent/.test(says));
    expect(told).toBe(entry.idle.after > 0 && Number.isFinite(entry.idle.after));
  });

  test('knows its own signs', () => {
    for (const { provider, annotations = {}, finalizer, loadBalancerClass, agent } of entry.signs) {
      const values = Object.entries(annotations).map(([key, value]) => [
        key,
        value.source.replace(/[\^$]/g, ''),
      ]);
      const seen: Seen = {
        provider,
        agents: agent === undefined ? [] : [`${agent}x`],
        annotations: Object.fromEntries(values),
        finalizers: finalizer === undefined ? [] : [finalizer],
        loadBalancerClass,
      };
      expect(balancersSeen(seen)).toContain(name);
    }
  });
});

test.each([
  ['target-pool', 'Cluster', undefined],
  ['target-pool', 'Local', { least: 16_000, most: 26_000, held: 'moved', drain: 0 }],
  ['backend-service', 'Local', { least: 3000, most: 8000, held: 'kept', drain: 0 }],
  ['backend-service-neg', 'Local', { least: 3000, most: 15_000, held: 'moved', drain: 30_000 }],
  ['nlb-instance', 'Cluster', { least: 20_000, most: 41_000, held: 'reset', drain: 0 }],
  ['metallb-l2', 'Cluster', undefined],
] as const)('%s takes its flows from a node without endpoints with %s: %j', (name, policy, removal) => {
  expect(removalOf(BALANCERS[name], policy)).toEqual(removal);
});

test('what happens to held flows is over when the check, and the drain that follows, are', () => {
  expect(settlesAfter(BALANCERS['target-pool'], 'Local')).toBe(26_000);
  expect(settlesAfter(BALANCERS['backend-service-neg'], 'Local')).toBe(45_000);
  expect(settlesAfter(BALANCERS['backend-service-neg'], 'Cluster')).toBe(0);
});

test('nothing is seen where nothing shows, and a name that is not in the table is read as the default', () => {
  const nothing: Seen = {
    provider: undefined,
    agents: [],
    annotations: {},
    finalizers: [],
    loadBalancerClass: undefined,
  };
  expect(balancersSeen(nothing)).toEqual([]);
  expect(balancersSeen({ ...nothing, provider: 'aws' })).toEqual([]);
  expect(balancerNamed('of tomorrow')).toBe(BALANCERS['target-pool']);
  expect(balancerNamed('toString')).toBe(BALANCERS['target-pool']);
});
