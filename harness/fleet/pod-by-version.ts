import type { Greeting, Socket, SocketHandlers } from '../contracts/connection.ts';
import type { Event } from '../contracts/event.ts';

/**
 * Says which pod serves a connection when its gateway tells only its version (or not even that): the pod, while it is the
 * only one of that version that takes connections, else that it is not known; and the version of a pod that tells only
 * its name.
 */
export class Whereabouts {
  private readonly running = new Map<string, Set<string>>();
  private readonly versions = new Map<string, string>();

  observe(event: Event): void {
    if (event.type !== 'pod') return;
    this.versions.set(event.pod, event.version);
    const pods = this.running.get(event.version) ?? new Set();
    this.running.set(event.version, pods);
    if (event.phase === 'running') pods.add(event.pod);
    else if (event.phase !== 'pending') pods.delete(event.pod);
  }

  /** The empty version is any. */
  podOf(version: string): string {
    const sets = version === '' ? [...this.running.values()] : [this.running.get(version) ?? []];
    const pods = sets.flatMap((set) => [...set]);
    return pods.length === 1 ? (pods[0] as string) : `unknown ${version === '' ? '' : `${version} `}pod`;
  }

  private placed({ pod, version, ...rest }: Greeting): Greeting {
    const known = pod === '' ? this.podOf(version) : pod;
    return { ...rest, pod: known, version: version || (this.versions.get(known) ?? 'unknown') };
  }

  /** A connection's handlers, told of the pod as well. */
  handlers(handlers: SocketHandlers): SocketHandlers {
    const placed = (greeting: Greeting): Greeting =>
      greeting.pod === '' || greeting.version === '' ? this.placed(greeting) : greeting;
    return {
      opened: (greeting) => handlers.opened(placed(greeting)),
      rehomed: (greeting) => handlers.rehomed?.(placed(greeting)),
      answered: () => handlers.answered(),
      asked: () => handlers.asked(),
      closed: (ending) => handlers.closed(ending),
    };
  }

  /** `dial` with handlers that are told of the pod. */
  dialling<Client>(dial: (client: Client, handlers: SocketHandlers) => Socket) {
    return (client: Client, handlers: SocketHandlers): Socket => dial(client, this.handlers(handlers));
  }
}
