import type { TimedEvent } from '../../../harness/contracts/event.ts';
import { saidEvent } from '../../../harness/gateway/said.ts';
import type { Millis } from '../../../harness/time/duration.ts';
import { type GatewaySettings, SimGateway } from './gateway.ts';

type Host = ConstructorParameters<typeof SimGateway>[1] & {
  /** From the start of a process until it is ready. */
  readonly bootTime: Millis;
  record(event: TimedEvent): void;
};

/**
 * The modelled supervisor (harness/gateway/handoff): the pod's sockets stay open while one worker follows another, so
 * all that clients see of it is who greets. The kernel holds what they send in between, and the passing on takes no
 * time here.
 */
export class SimSupervisor extends SimGateway {
  private readonly host: Host;
  private version: string;

  constructor(settings: GatewaySettings, host: Host) {
    super(settings, host);
    this.host = host;
    this.version = settings.version;
  }

  override request(method: string, path: string, port: number): number | undefined {
    const url = new URL(path, 'http://supervisor');
    if (port !== this.settings.adminPort || `${method} ${url.pathname}` !== 'POST /handover')
      return super.request(method, path, port);
    const version = url.searchParams.get('version');
    if (version === null) return 400;
    this.host.clock.after(this.host.bootTime, () => this.handOver(version));
    return 200;
  }

  private handOver(version: string): void {
    const why = `${this.version} to ${version}`;
    this.version = version;
    this.become(version);
    const event = saidEvent(this.settings.pod, {
      did: 'handover',
      why,
      connections: this.connections.size,
    });
    if (event !== undefined) this.host.record(event);
  }
}
