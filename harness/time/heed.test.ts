import { getEventListeners } from 'node:events';
import { expect, test } from 'vitest';
import { InterruptedError } from '../errors.ts';
import { heed } from './heed.ts';

test('work that ends before anybody interrupts comes to what it comes to, and leaves nothing on the signal', async () => {
  const { signal } = new AbortController();
  expect(await heed(Promise.resolve(1), signal)).toBe(1);
  await expect(heed(Promise.reject(new Error('no')), signal)).rejects.toThrow('no');
  expect(getEventListeners(signal, 'abort')).toEqual([]);
});

test('an interruption ends the wait at once, and what the work says later is no unhandled rejection', async () => {
  const controller = new AbortController();
  const { promise, reject } = Promise.withResolvers<void>();
  const waiting = heed(promise, controller.signal);
  controller.abort();
  await expect(waiting).rejects.toThrow(InterruptedError);
  await expect(heed(promise, controller.signal)).rejects.toThrow(InterruptedError);
  reject(new Error('too late'));
});
