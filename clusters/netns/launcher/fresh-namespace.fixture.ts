import { spawnSync } from 'node:child_process';

/**
 * For tests: runs a shell script as root of a fresh network namespace that goes when it ends.
 * @throws Error with what the script said, when it fails.
 */
export function inFreshNamespace(script: string, input = ''): string {
  const { status, stdout, stderr } = spawnSync('unshare', ['-Urn', 'sh', '-ec', script], {
    input,
    encoding: 'utf8',
    timeout: 20_000,
  });
  if (status !== 0) throw new Error(`${script}\nexit ${status}\n${stderr}${numbered(input)}`);
  return stdout;
}

/** For tests: why rules cannot be loaded on this machine, said as a reason to skip; undefined when they can. */
export function reasonToSkip(...tools: readonly string[]): string | undefined {
  for (const tool of tools)
    try {
      inFreshNamespace(`${tool} >/dev/null`);
    } catch (error) {
      return `'${tool}' does not work in a fresh network namespace here: ${(error as Error).message.split('\n')[2] ?? ''}`;
    }
  return undefined;
}

const numbered = (text: string) =>
  text
    .split('\n')
    .map((line, index) => `${index + 1}: ${line}`)
    .join('\n');
