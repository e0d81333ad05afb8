import { expect, test } from 'vitest';
import { ciliumOf, DATAPLANES, type Dataplane } from './dataplanes.ts';

test.each(Object.entries<Dataplane>(DATAPLANES))(
  '%s says which versions it stands for, and how each thing about it is known',
  (_, { title, versions, properties }) => {
    expect(title).not.toBe('');
    expect(versions).toMatch(/\d\.\d/);
    expect(properties.length).toBeGreaterThan(2);
    for (const { says, source } of properties) expect([says, source]).not.toContain('');
  },
);

test.each([
  ['v1.11.5', 'cilium-1.12'],
  ['v1.12.9', 'cilium-1.12'],
  ['v1.15.1', 'cilium-1.13'],
  ['v1.17.3-gke.12', 'cilium-1.16'],
  ['v1.18.2', 'cilium-1.18'],
  ['v1.19.0', 'cilium-1.19'],
  ['1.20.0', 'cilium-1.19'],
  ['v1.9.4', 'cilium-1.12'],
  ['latest', undefined],
] as const)('Cilium %s is %s', (version, name) => expect(ciliumOf(version)).toBe(name));
