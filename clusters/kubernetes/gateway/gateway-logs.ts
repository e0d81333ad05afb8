import type { V1Pod } from '@kubernetes/client-node';
import type { Event } from '../../../harness/contracts/event.ts';
import { type Said, saidEvent } from '../../../harness/gateway/said.ts';
import type { Clock } from '../../../harness/time/clock.ts';
import type { Millis } from '../../../harness/time/duration.ts';
import { HOLDER_LABELS } from '../../../harness/workload/handoff-workload.ts';
import { followLog } from '../api/follow-log.ts';
import type { KubeClient } from '../api/kube-client.ts';

/** A line of a pod's output with the kubelet's time for it in front, as the API gives it with `timestamps=true`. */
const LINE = /^(\S+) (\{.*\})$/;

/** The event that one line of a pod's output is, if any; `hop` for pods that are in front of the gateways. */
export function logEvent(pod: string, line: string, at: Millis, hop = false): Event | undefined {
  const [, apiTime, json] = LINE.exec(line) ?? [];
  if (apiTime === undefined || json === undefined) return undefined;
  const said = parse(json);
  const event = said && saidEvent(pod, hop ? { ...said, hop } : said);
  return event && { at, apiTime, ...event };
}

function parse(json: string): Said | undefined {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}

/** Reads along with the output of every gateway pod and records what it says that it did. */
export class GatewayLogs implements Disposable {
  private readonly client: KubeClient;
  private readonly clock: Clock;
  private readonly record: (event: Event) => void;
  private readonly following = new Set<string>();
  private readonly ended = new AbortController();

  constructor(client: KubeClient, clock: Clock, record: (event: Event) => void) {
    this.client = client;
    this.clock = clock;
    this.record = record;
  }

  /** What a deleted pod has said is recorded; its log is gone with it. */
  gone({ metadata }: V1Pod): void {
    this.following.delete(metadata?.name ?? '');
  }

  /** Begins to follow a pod as soon as it runs; called for each change of a pod. */
  changed(pod: V1Pod): void {
    const name = pod.metadata?.name ?? '';
    const running = pod.status?.containerStatuses?.some(({ state }) => state?.running != null) ?? false;
    if (!running || this.following.has(name)) return;
    this.following.add(name);
    void this.follow(name, pod.metadata?.labels?.app === HOLDER_LABELS.app);
  }

  [Symbol.dispose](): void {
    this.ended.abort();
  }

  private follow(pod: string, hop: boolean): Promise<void> {
    const { connection, namespace } = this.client;
    return followLog(
      { connection, namespace, name: pod },
      {
        clock: this.clock,
        signal: this.ended.signal,
        wanted: () => this.following.has(pod),
        line: (line) => {
          const event = logEvent(pod, line, this.clock.now(), hop);
          if (event !== undefined) this.record(event);
        },
      },
    );
  }
}
