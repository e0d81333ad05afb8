import { expect, test } from 'vitest';
import { longestGrace, NODE_REMOVALS } from './node-removals.ts';

test.each(Object.entries(NODE_REMOVALS))(
  '%s says which versions it stands for, and how each thing is known',
  (_, entry) => {
    expect(entry.versions).not.toBe('');
    expect(entry.properties.length).toBeGreaterThan(1);
    for (const { says, source } of entry.properties) expect([says, source]).not.toContain('');
  },
);

/** FACTS 2026, 8.2. */
const LONGEST = {
  kubectl: Number.POSITIVE_INFINITY,
  'cluster-autoscaler': 600_000,
  karpenter: Number.POSITIVE_INFINITY,
  'gke-upgrade': 3_600_000,
  eks: Number.POSITIVE_INFINITY,
  spot: 15_000,
  'ec2-spot': 120_000,
} as const satisfies Record<keyof typeof NODE_REMOVALS, number>;

test.each(Object.entries(LONGEST))('a pod that %s evicts lives for at most %i ms more', (by, longest) => {
  expect(longestGrace(NODE_REMOVALS[by as keyof typeof LONGEST])).toBe(longest);
});
