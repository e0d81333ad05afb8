import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { atPointer, readHeaders, readMessage } from './self-description.ts';

test('a header is read whatever the case of its name, whole or what an expression finds in it', () => {
  const headers = { 'x-build': 'app/2.4.0', via: ['one', 'two'] };
  expect(readHeaders({ header: 'X-Build' }, headers)).toBe('app/2.4.0');
  expect(readHeaders({ header: 'x-build', match: /^app\/(.+)$/ }, headers)).toBe('2.4.0');
  expect(readHeaders({ header: 'x-build', match: /\d\.\d/ }, headers)).toBe('2.4');
  expect(readHeaders({ header: 'via' }, headers)).toBe('one, two');
  expect(readHeaders({ header: 'x-build', match: /other/ }, headers)).toBeUndefined();
  expect(readHeaders({ header: 'x-none' }, headers)).toBeUndefined();
  expect(readHeaders({ message: '/a' }, headers)).toBeUndefined();
  expect(readHeaders(undefined, headers)).toBeUndefined();
});

test('a message is read by a JSON pointer or an expression', () => {
  const text = '{"type":"hello","server":{"version":"2.4.0","build":17,"a/b":{"~":"odd"}},"list":["x"]}';
  expect(readMessage({ message: '/server/version' }, text)).toBe('2.4.0');
  expect(readMessage({ message: '/server/build' }, text)).toBe('17');
  expect(readMessage({ message: '/server/a~1b/~0' }, text)).toBe('odd');
  expect(readMessage({ message: '/list/0' }, text)).toBe('x');
  expect(readMessage({ message: /"version":"([^"]+)"/ }, text)).toBe('2.4.0');
  expect(readMessage({ message: '/server' }, text)).toBeUndefined();
  expect(readMessage({ message: '/none/at/all' }, text)).toBeUndefined();
  expect(readMessage({ message: '/server/version' }, 'no JSON')).toBeUndefined();
  expect(readMessage({ header: 'x' }, text)).toBeUndefined();
});

test('a global expression finds the same each time', () => {
  const reading = { message: /v(\d)/g };
  expect([1, 2, 3].map(() => readMessage(reading, 'v7'))).toEqual(['7', '7', '7']);
});

test('a pointer finds every leaf of a document, and nothing that the document only inherits', () => {
  fc.assert(
    fc.property(fc.array(fc.string(), { minLength: 1, maxLength: 4 }), fc.string(), (keys, leaf) => {
      const document = keys.reduceRight<unknown>(
        (inner, key) => Object.fromEntries([[key, inner]]) as unknown,
        leaf,
      );
      const pointer = keys.map((key) => `/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
      expect(atPointer(document, pointer)).toBe(leaf);
    }),
  );
  expect(atPointer({}, '/constructor')).toBeUndefined();
  expect(atPointer('text', '/length')).toBeUndefined();
});
