import { expect, test } from 'vitest';
import { saidEvent } from './said.ts';

test('what a gateway says of itself is an event of its own', () => {
  expect(saidEvent('one', { did: 'drain', why: 'close over 0 ms', connections: 3 })).toEqual({
    type: 'gateway',
    pod: 'one',
    did: 'drain',
    why: 'close over 0 ms',
    connections: 3,
  });
});

test('connections that were moved live on', () => {
  expect(saidEvent('one', { did: 'handover', why: 'v1 to v2', connections: 3 })).toMatchObject({
    type: 'hop',
    kept: true,
  });
  expect(saidEvent('one', { did: 'rehome', why: 'told', connections: 3, hop: true })).toMatchObject({
    type: 'hop',
    kept: true,
  });
});

test('a holder ends connections as a hop, not as their gateway', () => {
  for (const did of ['drain', 'exit', 'killed', 'give-up']) {
    const event = saidEvent('holder', { did, why: 'why', hop: true });
    expect(event).toMatchObject({ type: 'hop', hop: 'holder' });
    expect(event).not.toHaveProperty('kept');
  }
});

test('a line that says nothing about connections is no event', () => {
  expect(saidEvent('one', { did: 'listening' })).toBeUndefined();
});
