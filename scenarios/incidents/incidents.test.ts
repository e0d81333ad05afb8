import { describe, expect, test } from 'vitest';
import type { Strategy } from '../../harness/contracts/scenario.ts';
import { STRATEGIES } from '../index.ts';
import { playOnSim } from '../test-play.ts';
import { sidesOf } from './incident.ts';
import { INCIDENTS } from './index.ts';

test('every incident has a name of its own, and says where it was reported', () => {
  expect(new Set(INCIDENTS.map(({ id }) => id)).size).toBe(INCIDENTS.length);
  for (const { reference } of INCIDENTS) expect(reference).toMatch(/^[\w.-]+\/[\w.-]+#\d+$/);
});

describe.each(INCIDENTS)('$reference', (incident) => {
  test.each(sidesOf(incident))('what must come out $name the fix does', async ({ axes, finds }) => {
    const result = await playOnSim(STRATEGIES[incident.strategy] as Strategy, axes);
    const { says, holds } = finds(result);
    expect(holds, says).toBe(true);
  });
});
