import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Axes } from '../../harness/contracts/axes.ts';
import {
  type Cluster,
  type ClusterSpec,
  NOTHING_LEFT,
  type Power,
  type Provider,
  type RunContext,
} from '../../harness/contracts/cluster.ts';
import type { ClientAddress, Socket, SocketHandlers } from '../../harness/contracts/connection.ts';
import type { TimedEvent } from '../../harness/contracts/event.ts';
import type { Kube } from '../../harness/contracts/kube.ts';
import { HarnessError } from '../../harness/errors.ts';
import { DialPool } from '../../harness/fleet/dial-pool.ts';
import { PROXIES, PROXY_NAMES, proxyNamed } from '../../harness/platforms/proxies.ts';
import { watchHarness } from '../../harness/run/innocence-clock.ts';
import type { Clock } from '../../harness/time/clock.ts';
import { formatDuration, type Millis } from '../../harness/time/duration.ts';
import { ScaledClock } from '../../harness/time/scaled-clock.ts';
import { GATEWAY_PORT } from '../../harness/workload/workload.ts';
import { command } from '../command.ts';
import { addressedAs } from '../control-plane/addresses.ts';
import { ControlPlane } from '../control-plane/control-plane.ts';
import { clientAddress } from './fabric/client-address.ts';
import { CONTROL_ADDRESS } from './fabric/fabric.ts';
import { Launcher } from './launcher/launcher.ts';
import { dialProcesses, lanes, refusal } from './limits.ts';
import { NetnsMachine } from './netns-machine.ts';
import { ControlGateway } from './pods/control-gateway.ts';
import { proxyMissing } from './pods/proxy-pod.ts';
import { preflight } from './preflight.ts';

/** Pings a real second, of all clients together, that leave two processor cores idle half of the time. */
const PINGS_PER_SECOND = 3000;

/**
 * 200 clients connect at once, on two cores; in a third of the 20 model seconds in which a livenessProbe gives a
 * gateway up that is busy with them.
 */
const BURST = 20_000 / 3 / (200 / 2);

/** Cores that answering pings may keep busy. */
const MOST_CORES = 0.5;

/** The default run's six cells are one and a half hours of model time: at this speed, and two at once, 80 seconds. */
const MOST_SPEED = 36;

/** At this speed the second that a kubelet waits for a probe is the least that is measured here (250 ms): it is not stretched. */
const PROBING_SPEED = 4;

/** TCP_KEEPIDLE counts whole seconds of real time. */
const KEEPALIVE_UNIT = 1000;

/**
 * Model milliseconds a real one, unless the user chooses: 36, less where the clients' heartbeats or their connects
 * would then keep the machine busy, and 4 where pods are limited, whose probes are to fail when they would. A client's keep-alive is no shorter than a real
 * second. Of the kernel's timers TCP's retransmission is scaled; SYN retries (1 s), keep-alive probes (1 s) and
 * conntrack's are not. No timeout of a probe or a health check becomes shorter than 250 ms of real time, and putting
 * rules in force takes 10 to 30: what follows within a model second of something else may be seen together with it.
 */
export function defaultSpeed({
  heartbeat,
  clients,
  handshakeCpu,
  messageCpu,
  podCpu,
  keepalive,
}: Pick<Axes, 'heartbeat' | 'clients' | 'handshakeCpu' | 'messageCpu' | 'podCpu'> &
  Partial<Pick<Axes, 'keepalive'>>): number {
  const bearable = Math.min(
    ((PINGS_PER_SECOND / 1000) * heartbeat) / clients,
    (keepalive ?? Number.POSITIVE_INFINITY) / KEEPALIVE_UNIT,
  );
  // Limited pods spend model time, and no processor of this machine.
  if (podCpu !== undefined) return Math.max(1, Math.min(PROBING_SPEED, Math.floor(bearable)));
  const patient = handshakeCpu > 0 ? BURST / handshakeCpu : MOST_SPEED;
  const diligent = messageCpu > 0 ? (MOST_CORES * heartbeat) / (clients * messageCpu) : MOST_SPEED;
  return Math.max(1, Math.min(MOST_SPEED, Math.floor(Math.min(bearable, patient, diligent))));
}

/** The Linux kernel itself: real sockets, conntrack and rules in namespaces of the playing process's own. */
export const netns: Provider = {
  name: 'netns',
  description:
    'measured on this Linux kernel: real sockets, rules, conntrack and gateways in namespaces, no root',
  evidence: 'measured',
  runs: 'command',
  offers: new Set([
    'passthrough-balancer',
    'node-churn',
    'node-power',
    'balancer-recreation',
    'second-balancer',
    'handoff',
    'autoscaler',
    'own-proxy',
    ...PROXY_NAMES.filter((name) => proxyMissing(PROXIES[name]) === undefined),
  ]),
  lacks: (need) => {
    const proxy = proxyNamed(need);
    return proxy && proxyMissing(proxy);
  },
  refuses: (axes) =>
    axes.proxyLifetime === undefined
      ? refusal(axes)
      : 'no proxy that is played here ends connections by their age; the simulator models it',
  preflight,
  open: (spec, context) => NetnsCluster.open(spec, context),
  lanes: (cells, speed) => lanes(cells, (axes) => speed ?? defaultSpeed(axes)),
  // The kernel removes everything with the process that made it.
  sweep: async () => NOTHING_LEFT,
};

class NetnsCluster implements Cluster {
  readonly clock: Clock;
  readonly facts: Readonly<Record<string, string>>;
  private readonly controlPlane: ControlPlane;
  private readonly machine: NetnsMachine;
  private readonly dialPool: DialPool;
  private readonly resources: AsyncDisposableStack;
  private readonly signal: AbortSignal;

  private readonly axes: Axes;

  private constructor(
    parts: {
      clock: Clock;
      controlPlane: ControlPlane;
      machine: NetnsMachine;
      dialPool: DialPool;
      facts: Readonly<Record<string, string>>;
      signal: AbortSignal;
      axes: Axes;
    },
    resources: AsyncDisposableStack,
  ) {
    this.signal = parts.signal;
    this.axes = parts.axes;
    this.clock = parts.clock;
    this.controlPlane = parts.controlPlane;
    this.machine = parts.machine;
    this.facts = parts.facts;
    this.dialPool = parts.dialPool;
    this.resources = resources;
  }

  static async open({ axes, own }: ClusterSpec, context: RunContext): Promise<NetnsCluster> {
    await using resources = new AsyncDisposableStack();
    const clock = new ScaledClock(context.speed ?? defaultSpeed(axes));
    const keepalive = keepaliveOf(axes, clock.speed) ?? KEEPALIVE_UNIT;
    if (keepalive < KEEPALIVE_UNIT)
      throw new HarnessError(
        `--keepalive ${formatDuration(axes.keepalive ?? 0)} is less than a second at --speed ${clock.speed}, and the kernel counts whole ones: choose --speed ${Math.floor((axes.keepalive ?? 0) / KEEPALIVE_UNIT)} or less`,
      );
    const record = (event: TimedEvent) => context.record({ at: clock.now(), ...event });
    const { signal } = context;
    const launcher = resources.use(new Launcher());
    const machine = resources.use(await NetnsMachine.open({ launcher, clock, axes, record, own, signal }));
    resources.use(watchHarness(clock, record));
    const dialPool = resources.use(new DialPool(dialProcesses(axes), own, record, clock.speed));
    resources.use(await ControlGateway.start(launcher, clock.speed, signal));
    const controlPlane = resources.use(
      new ControlPlane({
        clock,
        // The simulator's own forks: prediction and measurement draw the same phases of their health checks.
        random: context.random.fork('cluster').fork('control-plane'),
        machine,
        record: context.record,
        axes,
      }),
    );
    await controlPlane.start(signal);
    const facts = await kernelFacts(clock.speed);
    return new NetnsCluster(
      { clock, controlPlane, machine, dialPool, facts, signal, axes },
      resources.move(),
    );
  }

  get kube(): Kube {
    return this.controlPlane.kube;
  }

  reachable(service: string, limit: Millis, signal = this.signal): Promise<void> {
    return this.controlPlane.reachable(service, limit, signal);
  }

  get power(): Power {
    return this.controlPlane;
  }

  call(pod: string, path: string): Promise<void> {
    return this.controlPlane.call(pod, path);
  }

  dial(client: ClientAddress, handlers: SocketHandlers): Socket {
    const own = client.group !== 'control';
    const target = own
      ? this.controlPlane.address(client.service)
      : { address: CONTROL_ADDRESS, port: GATEWAY_PORT };
    const path = own ? this.dialPool.path : '/';
    if (target !== undefined)
      return this.dialPool.dial(
        {
          url: `ws://${target.address}:${target.port}${path}`,
          localAddress: clientAddress({
            ...client,
            number: own ? addressedAs(client.number, this.axes) : client.number,
          }),
          isSettled: client.isSettled,
          ...(own ? { keepalive: keepaliveOf(this.axes, this.clock.speed) } : {}),
        },
        handlers,
        own,
      );
    const refused = this.clock.after(0, () =>
      handlers.closed({ how: 'refused', why: `Service ${client.service} has no address` }),
    );
    const quiet = () => refused[Symbol.dispose]();
    return { ping() {}, close: quiet, destroy: quiet };
  }

  async collect(directory: string): Promise<void> {
    for (const [name, text] of Object.entries(await this.machine.dump()))
      writeFileSync(join(directory, `netns-${name}.txt`), text);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.resources.disposeAsync();
  }
}

/** The clients' keep-alive in real milliseconds. */
function keepaliveOf({ keepalive }: Pick<Axes, 'keepalive'>, speed: number): number | undefined {
  return keepalive === undefined ? undefined : keepalive / speed;
}

async function kernelFacts(speed: number): Promise<Readonly<Record<string, string>>> {
  const version = async (tool: string) => (await command(tool, ['--version'])).trim().split('\n')[0] ?? '';
  return {
    kernel: readFileSync('/proc/sys/kernel/osrelease', 'utf8').trim(),
    iptables: await version('iptables'),
    nftables: await version('nft'),
    timings: `${speed} model seconds a real one; TCP's retransmission timeout is scaled, other kernel timers (SYN retries, conntrack's timeouts) are not`,
  };
}
