import { expect, test } from 'vitest';
import type { SocketHandlers } from '../contracts/connection.ts';
import type { Timed } from '../contracts/event.ts';
import { Whereabouts } from './pod-by-version.ts';

const pod = (name: string, phase: 'pending' | 'running' | 'terminating' | 'gone', version = 'v1'): Timed => ({
  at: 0,
  type: 'pod',
  pod: name,
  version,
  node: 'node-1',
  phase,
  ready: phase === 'running',
});

test('a version tells its pod while only one of it takes connections', () => {
  const pods = new Whereabouts();
  expect(pods.podOf('v1')).toBe('unknown v1 pod');
  pods.observe(pod('a', 'running'));
  pods.observe(pod('b', 'pending'));
  pods.observe(pod('x', 'running', 'v2'));
  expect(pods.podOf('v1')).toBe('a');
  pods.observe(pod('b', 'running'));
  expect(pods.podOf('v1')).toBe('unknown v1 pod');
  pods.observe(pod('a', 'terminating'));
  expect(pods.podOf('v1')).toBe('b');
  expect(pods.podOf('v2')).toBe('x');
});

test('handlers are told of a pod that the gateway did not tell, and of no other', () => {
  const pods = new Whereabouts();
  pods.observe(pod('a', 'running'));
  const opened: string[] = [];
  const handlers: SocketHandlers = {
    opened: (greeting) => opened.push(greeting.pod),
    answered() {},
    asked() {},
    closed() {},
  };
  const dial = pods.dialling((_client: number, { opened: open }: SocketHandlers) => {
    open({ version: 'v1', pod: '' });
    open({ version: 'v1', pod: 'said' });
    return { ping() {}, close() {}, destroy() {} };
  });
  dial(1, handlers);
  expect(opened).toEqual(['a', 'said']);
});
