import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { InterruptedError } from '../harness/errors.ts';
import { CommandError, command, pasteable } from './command.ts';

test('a command gets its input and its output is returned', async () => {
  expect(await command('cat', ['-'], { input: 'one\ntwo\n' })).toBe('one\ntwo\n');
});

test('a command that fails says what it was, how it ended and what it said', async () => {
  const error = await command('sh', ['-c', "echo it is 'broken' >&2; exit 3"]).catch((error) => error);
  expect(error).toBeInstanceOf(CommandError);
  expect(error).toMatchObject({ exitCode: 3, stderr: 'it is broken\n' });
  expect(error.message).toBe(
    "sh -c 'echo it is '\\''broken'\\'' >&2; exit 3'\n  ended with exit code 3:\n  it is broken",
  );
});

test('a command that does not exist is a CommandError, too', async () => {
  await expect(command('onedrop-no-such-command', [])).rejects.toThrow(/could not be started/);
});

test('a command that stops reading its input early is judged by its exit code', async () => {
  await expect(command('true', [], { input: 'x'.repeat(1 << 20) })).resolves.toBe('');
});

test('a command with input is shown as a here-document, long ones shortened', () => {
  expect(pasteable('ip', ['-batch', '-'], 'link add a\n')).toBe("ip -batch - <<'END'\nlink add a\nEND");
  expect(pasteable('cat', [], 'line\n'.repeat(30))).toMatch(/# \.\.\. and 10 more lines/);
});

test.each([
  ['ends when it is asked to', 'sleep 60'],
  ['does not heed', "trap '' TERM; sleep 60"],
  ['has started others, which hold its output', 'sleep 60 & wait'],
])('an interrupted command that %s is gone when its wait ends', async (_, script) => {
  const scratch = mkdtempSync(join(tmpdir(), 'onedrop-command-'));
  onTestFinished(() => rmSync(scratch, { recursive: true, force: true }));
  const begun = join(scratch, 'begun');
  const controller = new AbortController();
  const words = ['-c', `: > ${begun}; ${script}`];
  const running = command('sh', words, { signal: controller.signal });
  const rejected = expect(running).rejects.toThrow(InterruptedError);
  while (!existsSync(begun)) await new Promise((resolve) => setTimeout(resolve, 10));
  controller.abort();
  await rejected;
  await expect(command('pgrep', ['-f', begun])).rejects.toThrow('exit code 1');
});

test('once interrupted, no further command is begun', async () => {
  await expect(command('true', [], { signal: AbortSignal.abort() })).rejects.toThrow(InterruptedError);
});
