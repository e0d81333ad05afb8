import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { sweepScratches, takeScratch } from './scratch.ts';

test('a scratch folder goes with its disposal, and nobody sweeps it before', async () => {
  const scratch = await takeScratch(`test-${process.pid}`);
  writeFileSync(join(scratch.directory, 'log'), 'x');
  await sweepScratches();
  expect(existsSync(join(scratch.directory, 'log'))).toBe(true);
  await scratch[Symbol.asyncDispose]();
  expect(existsSync(scratch.directory)).toBe(false);
});

test('what a killed process left in its scratch folder is swept', async () => {
  const name = `test-killed-${process.pid}`;
  const program = `import { takeScratch } from ${JSON.stringify(join(import.meta.dirname, 'scratch.ts'))};
    const { directory } = await takeScratch(${JSON.stringify(name)});
    process.stdout.write(directory, () => process.kill(process.pid, 'SIGKILL'));`;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', program]);
  let directory = '';
  child.stdout.on('data', (chunk: Buffer) => {
    directory += chunk;
  });
  await once(child, 'close');
  expect(existsSync(directory)).toBe(true);
  expect(await sweepScratches()).toContain(`scratch-${name}`);
  expect(existsSync(directory)).toBe(false);
});
