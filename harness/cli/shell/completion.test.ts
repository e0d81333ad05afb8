import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { onedrop } from '../cli.fixture.ts';

test('bash completes commands, options and the words of an option', async () => {
  const { out, code } = await onedrop(['completion', 'bash']);
  expect(code).toBe(0);
  const complete = (...words: string[]) => {
    const script = `${out}\nCOMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _onedrop; printf '%s\\n' "\${COMPREPLY[@]}"`;
    return spawnSync('bash', ['-c', script, 'bash', ...words], { encoding: 'utf8' })
      .stdout.trim()
      .split('\n');
  };
  expect(complete('onedrop', 'wa')).toEqual(['watch']);
  expect(complete('onedrop', 'watch', '--cl')).toEqual(['--clients']);
  expect(complete('onedrop', 'scenario', '--policy', '')).toEqual(['Cluster', 'Local']);
  expect(complete('onedrop', 'scenario', '--policy', 'L')).toEqual(['Local']);
});

test.each([
  ['fish', /complete -c onedrop -n '__fish_seen_subcommand_from watch' -l clients/],
  ['zsh', /^#compdef onedrop/],
])('%s gets a script of its own', async (shell, script) => {
  expect((await onedrop(['completion', shell])).out).toMatch(script);
});

test('another shell is told which there are', async () => {
  const { code, err } = await onedrop(['completion', 'csh']);
  expect({ code, err }).toMatchObject({ code: 64, err: expect.stringContaining('must be bash, zsh, fish') });
});

test('the schema of a configuration is JSON Schema', async () => {
  const { out } = await onedrop(['schema']);
  const schema = JSON.parse(out) as { $schema: string; properties: object; required: string[] };
  expect(schema.$schema).toContain('2020-12');
  expect(Object.keys(schema.properties)).toEqual(expect.arrayContaining(['gateway', 'version', 'clients']));
  expect(schema.required).toEqual(['gateway', 'version']);
});
