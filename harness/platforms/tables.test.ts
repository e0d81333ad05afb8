import { expect, test } from 'vitest';
import { evidenceOf, PLATFORM_TABLES } from './tables.ts';

const entries = Object.entries(PLATFORM_TABLES).flatMap(([axis, { entries }]) =>
  Object.entries(entries).map(([name, platform]) => [`${axis} ${name}`, platform] as const),
);

test.each(entries)(
  '%s says which versions it stands for and how each thing about it is known',
  (_, platform) => {
    expect(platform.title).not.toBe('');
    expect(platform.versions).not.toBe('');
    expect(platform.properties.length).toBeGreaterThan(0);
    for (const { says, source, evidence } of platform.properties) {
      expect(says).not.toBe('');
      expect(source, `${says} (${evidence})`).not.toBe('');
    }
  },
);

test('how it is known is counted, the surest first', () => {
  const property = (evidence: 'documented' | 'unproven') => ({ says: 'x', evidence, source: 'y' });
  const properties = [property('unproven'), property('documented'), property('documented')];
  expect(evidenceOf({ title: 't', versions: 'v', properties })).toBe('2 documented, 1 unproven');
});
