import type { V1Service } from '@kubernetes/client-node';
import type { BackendView, Event } from '../../harness/contracts/event.ts';
import type { Clock } from '../../harness/time/clock.ts';
import type { Millis } from '../../harness/time/duration.ts';
import { GcloudCommands, type Words } from './gcloud-commands.ts';
import { readHealth } from './gcloud-output.ts';
import type { GkeOptions } from './gke-options.ts';

/** gcloud needs a second or two a call, and Google's health checks turn after 16 to 24 s at the earliest. */
const EVERY: Millis = 10_000;

/** ingress-gce names the backend service of a Service in an annotation of it; target pools have none. */
const BACKEND_SERVICE = 'service.kubernetes.io/backend-service';

/** The target pool of a Service, as the cloud provider names it (cloud-provider `DefaultLoadBalancerName`). */
export const targetPoolOf = ({ metadata }: V1Service): string =>
  `a${(metadata?.uid ?? '').replaceAll('-', '')}`.slice(0, 32);

/** The command that asks Google what its balancer thinks of a Service's backends. */
export function healthCommand(commands: GcloudCommands, service: V1Service): Words {
  const backendService = service.metadata?.annotations?.[BACKEND_SERVICE];
  return backendService === undefined
    ? commands.targetPoolHealth(targetPoolOf(service))
    : commands.backendServiceHealth(backendService);
}

/** Records what Google's balancer thinks of its backends each time that changes, until it is disposed of. */
export function watchBackendHealth(options: {
  readonly clock: Clock;
  readonly options: GkeOptions;
  services(): readonly V1Service[];
  gcloud(words: Words): Promise<string>;
  record(event: Event): void;
}): Disposable {
  const { clock } = options;
  const commands = new GcloudCommands(options.options);
  const told = new Map<string, string>();
  let ended = false;
  const tell = (service: string, backends: readonly BackendView[]) => {
    const text = JSON.stringify(backends);
    if (ended || backends.length === 0 || told.get(service) === text) return;
    told.set(service, text);
    const failOpen = backends.every(({ healthy }) => !healthy);
    options.record({ at: clock.now(), type: 'balancer', service, backends, failOpen });
  };
  const look = async () => {
    for (const service of options.services()) {
      if (service.spec?.type !== 'LoadBalancer' || service.status?.loadBalancer?.ingress === undefined)
        continue;
      // What Google does not tell is no finding: the next look will.
      const json = await options.gcloud(healthCommand(commands, service)).catch(() => '[]');
      tell(service.metadata?.name ?? '', readHealth(json));
    }
    if (!ended) timer = clock.after(EVERY, look);
  };
  let timer = clock.after(EVERY, look);
  return {
    [Symbol.dispose]() {
      ended = true;
      timer[Symbol.dispose]();
    },
  };
}
