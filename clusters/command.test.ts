import { expect, test } from 'vitest';
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
