import fc from 'fast-check';
import { expect, it } from 'vitest';
import { applyPatch, mergePatch } from './merge-patch.ts';

// The examples of RFC 7386, appendix A.
it.each<[unknown, unknown, unknown]>([
  [{ a: 'b' }, { a: 'c' }, { a: 'c' }],
  [{ a: 'b' }, { b: 'c' }, { a: 'b', b: 'c' }],
  [{ a: 'b' }, { a: null }, {}],
  [{ a: 'b', b: 'c' }, { a: null }, { b: 'c' }],
  [{ a: ['b'] }, { a: 'c' }, { a: 'c' }],
  [{ a: 'c' }, { a: ['b'] }, { a: ['b'] }],
  [{ a: { b: 'c' } }, { a: { b: 'd', c: null } }, { a: { b: 'd' } }],
  [{ a: [{ b: 'c' }] }, { a: [1] }, { a: [1] }],
  [
    ['a', 'b'],
    ['c', 'd'],
    ['c', 'd'],
  ],
  [{ a: 'b' }, ['c'], ['c']],
  [{ a: 'foo' }, null, null],
  [{ a: 'foo' }, 'bar', 'bar'],
  [{ e: null }, { a: 1 }, { e: null, a: 1 }],
  [[1, 2], { a: 'b', c: null }, { a: 'b' }],
  [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
])('%j patched with %j is %j', (target, patch, expected) => {
  expect(mergePatch(target, patch)).toEqual(expected);
});

it('applying takes away what was applied before and is no longer, and leaves what others set', () => {
  const live = { spec: { replicas: 3, paused: true, other: 1 }, status: { ready: 3 } };
  const patch = applyPatch({ spec: { replicas: 3, paused: true } }, { spec: { replicas: 5 } });
  expect(mergePatch(live, patch)).toEqual({ spec: { replicas: 5, other: 1 }, status: { ready: 3 } });
});

it('applying to what the same manager wrote alone gives exactly what is applied', () => {
  const json = fc.dictionary(
    fc.constantFrom('a', 'b', 'c'),
    fc.oneof(fc.integer(), fc.array(fc.integer()), fc.dictionary(fc.constantFrom('x', 'y'), fc.integer())),
  );
  fc.assert(
    fc.property(json, json, (before, after) => {
      const result = mergePatch(before, applyPatch(before, after)) as Record<string, unknown>;
      expect(result).toEqual(after);
    }),
  );
});
