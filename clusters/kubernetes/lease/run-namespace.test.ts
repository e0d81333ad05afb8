import { expect, test } from 'vitest';
import { nameFor } from './names.ts';
import { isAbandoned } from './run-namespace.ts';

const NOW = new Date('2026-01-02T03:04:05Z');
const namespace = (owner: string, expires: string) => ({
  metadata: {
    name: 'onedrop-x',
    annotations: { 'onedrop.dev/owner': owner, 'onedrop.dev/expires': expires },
  },
});
const LATER = '2026-01-02T03:30:00Z';
const EARLIER = '2026-01-02T03:00:00Z';

test('a namespace of mine is abandoned as soon as its run is dead, and never while it lives', () => {
  expect(isAbandoned(namespace('me@here', LATER), 'dead', 'me@here', NOW)).toBe(true);
  expect(isAbandoned(namespace('me@here', LATER), 'alive', 'me@here', NOW)).toBe(false);
  expect(isAbandoned(namespace('me@here', EARLIER), 'alive', 'me@here', NOW)).toBe(false);
});

test("somebody else's namespace is abandoned only once its expiry has passed", () => {
  expect(isAbandoned(namespace('you@there', LATER), 'dead', 'me@here', NOW)).toBe(false);
  expect(isAbandoned(namespace('you@there', EARLIER), 'unknown', 'me@here', NOW)).toBe(true);
});

test('a namespace without an expiry is never touched', () => {
  expect(isAbandoned({ metadata: { name: 'x' } }, 'unknown', 'me@here', NOW)).toBe(false);
});

test('a name is a DNS label with room for what is made of it', () => {
  expect(nameFor('kind', '20260102-030405-77-0')).toBe('onedrop-kind-20260102-030405-77-0');
  expect(nameFor('cell', `${'x'.repeat(31)}-${'y'.repeat(20)}`)).toMatch(/^onedrop-cell-x+$/);
});
