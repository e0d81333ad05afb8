import { expect, test } from 'vitest';
import { controllerEvent, type OldWorkers } from './controller-log.ts';

/** As ingress-nginx 1.12 logs them, with the kubelet's time in front. */
const LINES = {
  changes:
    '2026-01-01T00:00:00.1Z I0101 00:00:00.100000       7 controller.go:196] "Configuration changes detected, backend reload required"',
  reloaded:
    '2026-01-01T00:00:00.2Z I0101 00:00:00.200000       7 controller.go:216] "Backend successfully reloaded"',
  going: '2026-01-01T00:00:00.3Z 2026/01/01 00:00:00 [notice] 33#33: gracefully shutting down',
  gone: '2026-01-01T00:04:00.3Z 2026/01/01 00:04:00 [notice] 26#26: worker process 33 exited with code 0',
};

test('a reload is told once it is done, and ends nothing yet', () => {
  const old: OldWorkers = new Map();
  expect(controllerEvent('nginx-0', LINES.changes, 0, old)).toBeUndefined();
  expect(controllerEvent('nginx-0', LINES.reloaded, 0, old)).toMatchObject({
    type: 'hop',
    hop: 'nginx-0',
    kept: true,
  });
});

test('an old worker that ends takes its connections with it, and says since when it was old', () => {
  const old: OldWorkers = new Map();
  expect(controllerEvent('nginx-0', LINES.going, 1000, old)).toBeUndefined();
  const ended = controllerEvent('nginx-0', LINES.gone, 241_000, old);
  expect(ended).toMatchObject({ type: 'hop', hop: 'nginx-0', since: 1000, act: 'shutdown-timeout' });
  expect(ended).not.toHaveProperty('kept');
});

test('a process that nobody told to go is no old worker', () => {
  expect(controllerEvent('nginx-0', LINES.gone, 0, new Map())).toBeUndefined();
});

test('a connection that was silent for proxy-read-timeout is ended for that', () => {
  const line =
    '2026-01-01T00:01:00.3Z 2026/01/01 00:01:00 [error] 33#33: *7 upstream timed out (110: Operation timed out) while proxying upgraded connection, client: 10.0.0.1';
  expect(controllerEvent('nginx-0', line, 0, new Map())).toMatchObject({ type: 'hop', act: 'idle' });
});
