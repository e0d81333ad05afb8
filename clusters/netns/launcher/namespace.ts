/** Where `ip netns` keeps the names of network namespaces. */
const NAMES = '/run/netns';

/** A network namespace by name; `undefined` is the harness's own, the client network. */
export type Namespace = string | undefined;

/**
 * The command that runs another in a namespace: `nsenter` and not `ip netns exec`, which would also remount /sys
 * (FACTS K). The other takes nsenter's place, so a signal to the process reaches it.
 */
export function within(namespace: Namespace, file: string, args: readonly string[]): [string, string[]] {
  if (namespace === undefined) return [file, [...args]];
  return ['nsenter', [`--net=${NAMES}/${namespace}`, file, ...args]];
}
