import { CommandError, type CommandOptions, command } from '../command.ts';

/** Where `ip netns` keeps the names of network namespaces. */
const NAMES = '/run/netns';

/** A network namespace by name; `undefined` is the harness's own, the client network. */
export type Namespace = string | undefined;

/**
 * `nsenter` and not `ip netns exec`, which would also remount /sys (FACTS K). The command takes nsenter's place, so
 * a signal to the process reaches the command.
 */
export function within(namespace: Namespace, file: string, args: readonly string[]): [string, string[]] {
  if (namespace === undefined) return [file, [...args]];
  return ['nsenter', [`--net=${NAMES}/${namespace}`, file, ...args]];
}

/** Runs a command in a namespace. @throws CommandError. */
export function commandIn(
  namespace: Namespace,
  file: string,
  args: readonly string[],
  options?: CommandOptions,
): Promise<string> {
  return command(...within(namespace, file, args), options);
}

/** Runs lines of `ip` in a namespace, all by one process. @throws CommandError at the first line that fails. */
export async function ip(namespace: Namespace, lines: readonly string[]): Promise<void> {
  if (lines.length === 0) return;
  const where = namespace === undefined ? [] : ['-netns', namespace];
  await command('ip', [...where, '-batch', '-'], { input: `${lines.join('\n')}\n` });
}

/** Sets kernel parameters of a namespace, given by their path under /proc/sys. @throws CommandError. */
export async function sysctl(namespace: Namespace, values: Readonly<Record<string, number>>): Promise<void> {
  const byValue = new Map<number, string[]>();
  for (const [path, value] of Object.entries(values)) {
    const paths = byValue.get(value) ?? [];
    byValue.set(value, paths);
    paths.push(`/proc/sys/${path}`);
  }
  for (const [value, paths] of byValue) await commandIn(namespace, 'tee', paths, { input: `${value}\n` });
}

/** Removes a namespace; what still holds it open (a closing socket) keeps only its own remains. */
export async function removeNamespace(namespace: string): Promise<void> {
  try {
    await command('ip', ['netns', 'delete', namespace]);
  } catch (error) {
    // Gone already, for instance because making it had failed half-way.
    if (!(error instanceof CommandError && /No such file/.test(error.stderr))) throw error;
  }
}
