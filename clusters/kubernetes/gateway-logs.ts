import type { V1Pod } from '@kubernetes/client-node';
import type { Clock } from '../../harness/clock.ts';
import type { Event } from '../../harness/event.ts';
import type { KubeClient } from './kube-client.ts';

/** What a gateway can say that it did; anything else on its output is not for the log. */
const DID: ReadonlySet<string> = new Set(['sigterm', 'drain', 'exit', 'killed', 'close']);

/** A line of a pod's output with the kubelet's time for it in front, as the API gives it with `timestamps=true`. */
const LINE = /^(\S+) (\{.*\})$/;

/** The event that one line of a gateway's output is, if any. */
export function gatewayEvent(pod: string, line: string, at: number): Event | undefined {
  const [, apiTime, json] = LINE.exec(line) ?? [];
  if (apiTime === undefined || json === undefined) return undefined;
  const said = parse(json);
  if (said === undefined || !DID.has(said.did)) return undefined;
  return {
    at,
    apiTime,
    type: 'gateway',
    pod,
    did: said.did as 'exit',
    why: said.why ?? '',
    ...(said.connections === undefined ? {} : { connections: said.connections }),
  };
}

function parse(json: string): { did: string; why?: string; connections?: number } | undefined {
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

  /** Begins to follow a pod as soon as it runs; called for each change of a pod. */
  changed(pod: V1Pod): void {
    const name = pod.metadata?.name ?? '';
    const running = pod.status?.containerStatuses?.some(({ state }) => state?.running != null) ?? false;
    if (!running || this.following.has(name)) return;
    this.following.add(name);
    void this.follow(name);
  }

  [Symbol.dispose](): void {
    this.ended.abort();
  }

  private async follow(pod: string): Promise<void> {
    const path = `/api/v1/namespaces/${this.client.namespace}/pods/${pod}/log`;
    const tell = (line: string) => {
      const event = gatewayEvent(pod, line, this.clock.now());
      if (event !== undefined) this.record(event);
    };
    try {
      await this.client.connection.lines(
        path,
        { follow: 'true', timestamps: 'true' },
        tell,
        this.ended.signal,
      );
    } catch (error) {
      // A pod that was deleted takes its log with it; what it said up to then is recorded.
      if (!this.ended.signal.aborted)
        this.record({
          at: this.clock.now(),
          type: 'note',
          text: `the log of ${pod} could not be followed to its end: ${(error as Error).message}`,
        });
    }
  }
}
