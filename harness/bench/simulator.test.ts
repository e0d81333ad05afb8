import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { leaseDirectory } from '../../clusters/kubernetes/lease/lease.ts';

test('a bench that is told to end takes its files along', async () => {
  const bench = spawn(process.execPath, [join(import.meta.dirname, 'simulator.main.ts')]);
  const files = () => readdirSync(leaseDirectory()).filter((name) => name.includes(`bench-${bench.pid}.`));
  await once(bench.stderr, 'data');
  expect(files()).not.toEqual([]);
  bench.kill('SIGINT');
  const [, signal] = (await once(bench, 'close')) as [number | null, string | null];
  expect(signal).toBe('SIGINT');
  expect(files()).toEqual([]);
});
