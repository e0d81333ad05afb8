import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import {
  deadLeases,
  forgetLease,
  forgetStrays,
  leaseDirectory,
  leaseFiles,
  leaseHolder,
  takeFreeLease,
  takeLease,
} from './lease.ts';

test('a lease is alive while it is held, and leaves no file behind', async () => {
  const name = `test-held-${process.pid}`;
  {
    await using _lease = await takeLease(name);
    expect(await leaseHolder(name)).toBe('alive');
  }
  expect(await leaseHolder(name)).toBe('unknown');
  expect(existsSync(join(leaseDirectory(), `${name}.lease`))).toBe(false);
});

/** Takes a lease in a process that is then killed with -9; `meanwhile` runs while it lives. */
async function killHolder(name: string, meanwhile: () => Promise<void> = async () => {}): Promise<void> {
  const program = `import { takeLease } from ${JSON.stringify(join(import.meta.dirname, 'lease.ts'))};
    await takeLease(${JSON.stringify(name)});
    process.stdout.write('taken');
    process.stdin.resume();`;
  const holder = spawn(process.execPath, ['--input-type=module', '--eval', program], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  await once(holder.stdout, 'data');
  await meanwhile();
  holder.kill('SIGKILL');
  await once(holder, 'close');
}

test('the lease of a process that was killed with -9 is dead, until it is forgotten', async () => {
  const name = `test-killed-${process.pid}`;
  await killHolder(name, async () => {
    expect(await leaseHolder(name)).toBe('alive');
    expect(await deadLeases()).not.toContain(name);
  });
  expect(await leaseHolder(name)).toBe('dead');
  expect(await deadLeases()).toContain(name);
  forgetLease(name);
  expect(await leaseHolder(name)).toBe('unknown');
});

test('of all that want a free name at once, be it a dead one, exactly one gets it', async () => {
  const name = `test-wanted-${process.pid}`;
  await killHolder(name, async () => expect(await takeFreeLease(name)).toBeUndefined());
  const taken = await Promise.all(Array.from({ length: 5 }, () => takeFreeLease(name)));
  const [lease, ...others] = taken.filter((one) => one !== undefined);
  expect(others).toEqual([]);
  expect(await leaseHolder(name)).toBe('alive');
  await lease?.[Symbol.asyncDispose]();
  expect(await leaseHolder(name)).toBe('unknown');
});

test('files without a lease are strays, and those beside one are not', async () => {
  const [stray, held] = [`test-stray-${process.pid}`, `test-beside-${process.pid}`];
  await using _lease = await takeLease(held);
  const directories = [leaseFiles(stray), leaseFiles(held)];
  forgetStrays('test-');
  expect(directories.map((directory) => existsSync(directory))).toEqual([false, true]);
});
