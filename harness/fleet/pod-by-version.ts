import type { Greeting, Socket, SocketHandlers } from '../contracts/connection.ts';
import type { Event } from '../contracts/event.ts';

/**
 * Says which pod serves a connection when its gateway tells only its version: the pod, while it is the only one of that
 * version that takes connections; else that it is not known.
 */
export class Whereabouts {
  private readonly running = new Map<string, Set<string>>();

  observe(event: Event): void {
    if (event.type !== 'pod') return;
    const pods = this.running.get(event.version) ?? new Set();
    this.running.set(event.version, pods);
    if (event.phase === 'running') pods.add(event.pod);
    else if (event.phase !== 'pending') pods.delete(event.pod);
  }

  podOf(version: string): string {
    const pods = [...(this.running.get(version) ?? [])];
    return pods.length === 1 ? (pods[0] as string) : `unknown ${version} pod`;
  }

  /** A connection's handlers, told of the pod as well. */
  handlers(handlers: SocketHandlers): SocketHandlers {
    const placed = (greeting: Greeting): Greeting =>
      greeting.pod === '' ? { ...greeting, pod: this.podOf(greeting.version) } : greeting;
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
