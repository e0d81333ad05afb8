import { expect, it } from 'vitest';
import { defaultAxes } from '../../harness/contracts/axes.ts';
import { defaultSpeed } from './netns.ts';

const speed = (changes: Parameters<typeof defaultAxes>[0]) => defaultSpeed(defaultAxes(changes));

it('is full speed for a fleet whose pings leave the machine idle', () => {
  expect(speed({ clients: 300 })).toBe(36);
});

it('falls with the pings of a large fleet, and never below real time', () => {
  expect(speed({ clients: 9000 })).toBe(10);
  expect(speed({ clients: 2_000_000 })).toBe(1);
});

it('is slow enough for a probe to fail in its own second where pods are limited, whatever their work costs', () => {
  expect(speed({ clients: 300, handshakeCpu: 100, podCpu: 1 })).toBe(4);
  expect(speed({ clients: 300, handshakeCpu: 1, podCpu: 1 })).toBe(4);
  expect(speed({ clients: 90_000, podCpu: 1 })).toBe(1);
});

it('falls with the processor time that the application needs, for handshakes at once and for pings all the time', () => {
  expect(speed({ clients: 300, handshakeCpu: 5 })).toBeLessThan(20);
  expect(speed({ clients: 300, handshakeCpu: 10 })).toBeLessThan(speed({ clients: 300, handshakeCpu: 5 }));
  expect(speed({ clients: 9000, messageCpu: 1 })).toBeLessThan(10);
});
