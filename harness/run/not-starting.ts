import type { V1ContainerStatus, V1Pod } from '@kubernetes/client-node';
import type { Millis } from '../time/duration.ts';

/** A container that has been started anew this often has no bad moment but a fault (70 s after its first end). */
const RESTARTS = 3;

/** What the kubelet waits for in the ordinary course of a start. */
const ORDINARY = ['ContainerCreating', 'PodInitializing', 'CrashLoopBackOff'];

/** An image may be there at the second try; what a container waits for longer than that does not come by itself. */
const PATIENCE: Millis = 120_000;

/** Last words kept, in characters. */
const LAST_WORDS = 500;

/** Words of a process for one line of a log: no control characters, and the last of them where there are many. */
const oneLine = (text: string) =>
  text
    .replace(/[\p{Cc}\s]+/gu, ' ')
    .trim()
    .slice(-LAST_WORDS);

/** How a container's last process ended, as the kubelet tells it. */
function ending({ lastState, state }: V1ContainerStatus): string | undefined {
  const terminated = state?.terminated ?? lastState?.terminated;
  if (terminated == null) return undefined;
  const { exitCode, signal, message, reason } = terminated;
  const how = signal ? `signal ${signal}` : `exit code ${exitCode}`;
  const words = oneLine(message ?? '');
  const named = reason === undefined || reason === 'Error' || reason === 'Completed' ? '' : ` (${reason})`;
  return `${how}${named}${words === '' ? '' : `, last words: ${words}`}`;
}

/** Why a pod will not start, with how its process ended and its last words, or undefined while it may yet. */
export function whyNotStarting(pods: readonly V1Pod[], waited: Millis): string | undefined {
  for (const { metadata, status } of pods) {
    if (metadata?.deletionTimestamp !== undefined) continue;
    for (const container of [
      ...(status?.initContainerStatuses ?? []),
      ...(status?.containerStatuses ?? []),
    ]) {
      const { restartCount, ready, state } = container;
      const reason = state?.waiting?.reason;
      const pod = `pod ${metadata?.name} cannot start`;
      if (restartCount >= RESTARTS && !ready && reason === 'CrashLoopBackOff')
        return `${pod}: it has ended ${restartCount + 1} times, ${ending(container) ?? 'nobody says how'}`;
      if (reason !== undefined && !ORDINARY.includes(reason) && waited >= PATIENCE)
        return `${pod}: ${oneLine(`${reason} ${state?.waiting?.message ?? ''}`)}`;
    }
  }
  return undefined;
}

/** What pods that are not ready say of themselves, or undefined where there is none. */
export function whyNotReady(pods: readonly V1Pod[]): string | undefined {
  const conditions = (pod: V1Pod) => pod.status?.conditions ?? [];
  const waiting = pods.filter(
    (pod) =>
      pod.metadata?.deletionTimestamp === undefined &&
      !conditions(pod).some(({ type, status }) => type === 'Ready' && status === 'True'),
  );
  if (waiting.length === 0) return undefined;
  return waiting
    .slice(0, 3)
    .map((pod) => {
      const container = pod.status?.containerStatuses?.[0];
      const unscheduled = conditions(pod).find(
        ({ type, status }) => type === 'PodScheduled' && status === 'False',
      );
      const ended = container && ending(container);
      const why =
        unscheduled !== undefined
          ? `not scheduled: ${oneLine(unscheduled.message ?? unscheduled.reason ?? '')}`
          : ended !== undefined
            ? `${container?.restartCount} restarts, ${ended}`
            : container?.state?.running != null
              ? 'runs but does not become ready'
              : (container?.state?.waiting?.reason ?? 'does not run');
      return `pod ${pod.metadata?.name} ${why}`;
    })
    .join('; ');
}
