import type { Ending, Greeting, Socket, SocketHandlers } from '../../../harness/contracts/connection.ts';
import type { TimedEvent, Verdict } from '../../../harness/contracts/event.ts';
import { type DrainHow, SERVICE_RESTART } from '../../../harness/gateway/drain.ts';
import type { Clock } from '../../../harness/time/clock.ts';
import type { Millis } from '../../../harness/time/duration.ts';
import type { Fabric } from '../network/fabric.ts';
import type { Flow } from '../network/flow.ts';
import type { GatewayConnection, Relay, ServingPod, Welcome } from './process.ts';

/** What a connection needs of the machine it belongs to. */
export interface ConnectionHost {
  readonly clock: Clock;
  readonly fabric: Fabric;
  record(event: TimedEvent): void;
  /** The time without a packet after which the client's TCP sends keep-alive probes; undefined: it sends none. */
  readonly keepalive?: Millis | undefined;
}

/** A SYN is sent again after 1 s, doubling; after 127 s connect() fails (tcp_syn_retries 6). */
const SYN = { first: 1000, most: 64_000, retries: 6 } as const;
/** Data is sent again after 200 ms, doubling up to 120 s; after about 924 s the connection fails (tcp_retries2 15). */
const DATA = { first: 200, most: 120_000, retries: 15 } as const;
/** A socket that its process has left gives up after about 100 s (tcp_orphan_retries 0 means 8). */
const ORPHAN_RETRIES = 8;
/** Node.js, and so the clients of the other clusters: TCP_KEEPINTVL 1 s and TCP_KEEPCNT 10 (Node.js net.Socket setKeepAlive). */
const KEEPALIVE = { interval: 1000, probes: 10 } as const;
/** The neighbour of a pod that is gone is asked for three times, a second apart; then ICMP host unreachable is sent. */
const HOST_UNREACHABLE_AFTER: Millis = 3000;
/** `ws` cuts a closing handshake short that the client does not answer (its closeTimeout). */
const CLOSE_TIMEOUT: Millis = 30_000;

/**
 * One WebSocket over one flow, both ends of it: what the client's and the gateway's TCP do about packets that do not
 * arrive. The network has no latency, so a ping on a good path is answered before `ping` returns; all other news
 * comes in an event of its own. What the gateway sends is not sent again: its way back fails only with a node.
 */
export class SimConnection implements Socket, GatewayConnection {
  private readonly host: ConnectionHost;
  private readonly flow: Flow;
  private readonly client: () => string;
  readonly isSettled: boolean;
  /** Undefined once the client knows nothing of the connection any more. */
  private handlers: SocketHandlers | undefined;
  private pod: ServingPod | undefined;
  private relay: Relay | undefined;
  private state: 'connecting' | 'open' | 'leaving' | 'closed' = 'connecting';
  private isGreeted = false;
  /** The gateway has sent its close frame. */
  private isClosing = false;
  /** There is data that the client's TCP has not got an answer for. */
  private hasUnanswered = false;
  /** The first packet of the current series that went undelivered has been logged. */
  private isLost = false;
  private retries = 0;
  private timer: Disposable | undefined;
  private keeper: Disposable | undefined;
  /** Keep-alive probes in a row without an answer. */
  private probes = 0;

  constructor(
    host: ConnectionHost,
    flow: Flow,
    client: () => string,
    handlers: SocketHandlers,
    isSettled = false,
  ) {
    this.host = host;
    this.flow = flow;
    this.client = client;
    this.handlers = handlers;
    this.isSettled = isSettled;
    this.timer = host.clock.after(0, () => this.connect());
  }

  ping(): void {
    // While its TCP waits to send again, more data only joins the queue.
    if (this.state !== 'open' || this.hasUnanswered) return;
    const { fabric, clock } = this.host;
    const delivery = fabric.exchange(this.flow, 'data', clock.now());
    // The usual case first, as it happens millions of times.
    if (delivery === 'delivered') this.answered();
    else {
      this.hasUnanswered = true;
      this.undelivered(delivery);
    }
  }

  close(): void {
    this.destroy();
  }

  destroy(): void {
    this.handlers = undefined;
    if (this.state === 'connecting') {
      this.timer?.[Symbol.dispose]();
      this.state = 'closed';
    } else if (this.state === 'open') {
      this.state = 'leaving';
      this.keeper?.[Symbol.dispose]();
      if (!this.hasUnanswered) this.transmit();
    }
  }

  get name(): string {
    return this.client();
  }

  /** For the gateway. */
  get hasLeft(): boolean {
    return this.state !== 'open';
  }

  /** For the gateway. */
  ask(how: DrainHow): void {
    if (how === 'close') this.refuse(SERVICE_RESTART, 'service restart');
    else if (!this.isClosing) this.say(() => this.handlers?.asked());
  }

  /** For the gateway. */
  refuse(code: number, reason: string): void {
    if (this.isClosing) return;
    this.isClosing = true;
    this.say(() => this.closedByGateway({ how: 'close', code, reason }));
  }

  /** For the gateway. */
  greet(greeting: Greeting): void {
    if (this.isClosing) return;
    const first = !this.isGreeted;
    this.isGreeted = true;
    const told = this.through(greeting);
    this.say(() => (first ? this.handlers?.opened(told) : this.handlers?.rehomed?.(told)));
  }

  /** For the gateway. */
  answer(): void {
    if (!this.isClosing) this.say(() => this.handlers?.answered());
  }

  /** The gateway sends a frame; `heard` is what the client makes of it. */
  private say(heard: () => void): void {
    const { clock, fabric } = this.host;
    const arrived = fabric.answer(this.flow, 'data', clock.now()) === 'delivered';
    if (arrived && this.state === 'open') {
      clock.after(0, heard);
      return;
    }
    // The client's TCP resets what its process has left; where that is lost as well, the gateway waits in vain.
    if (arrived && fabric.send(this.flow, 'reset', clock.now()) === 'delivered')
      clock.after(0, () => this.shut());
    else if (this.isClosing) this.timeOutClosing();
  }

  /** The gateway's process has ended and its kernel closes this connection. */
  end(): void {
    const { clock, fabric } = this.host;
    const arrived = fabric.answer(this.flow, 'fin', clock.now()) === 'delivered';
    this.vanish();
    if (arrived) this.host.clock.after(0, () => this.fail({ how: 'fin' }));
  }

  /** The gateway is gone with its node or its network; nothing is sent. */
  vanish(): void {
    this.flow.shut();
    this.pod = undefined;
  }

  private connect(): void {
    const { fabric, clock } = this.host;
    const delivery = fabric.exchange(this.flow, 'syn', clock.now());
    if (delivery === 'delivered') {
      this.state = 'open';
      this.retries = 0;
      this.isLost = false;
      this.keepAlive(this.host.keepalive);
      // The HTTP upgrade; the answer to it is the greeting.
      this.hasUnanswered = true;
      this.transmit();
      return;
    }
    this.lost(delivery);
    const refusal = this.refusal(delivery);
    const retry = Math.min(SYN.most, SYN.first * 2 ** this.retries++);
    this.timer =
      refusal === undefined
        ? clock.after(retry, () => this.connect())
        : clock.after(refusal.after, () => this.fail({ how: 'refused', why: refusal.why }));
  }

  private keepAlive(delay: Millis | undefined): void {
    if (delay !== undefined) this.keeper = this.host.clock.after(delay, () => this.probe());
  }

  /**
   * The client's TCP hears nothing and asks whether the connection is still there; the gateway's TCP answers, and its
   * application never knows. What TCP sends again says as much, so that there are no probes meanwhile.
   */
  private probe(): void {
    const { fabric, clock, keepalive = 0 } = this.host;
    if (this.state !== 'open') return;
    const quiet = clock.now() - this.flow.last;
    if (this.hasUnanswered || quiet < keepalive) {
      this.probes = 0;
      this.keepAlive(this.hasUnanswered ? keepalive : keepalive - quiet);
      return;
    }
    const delivery = fabric.exchange(this.flow, 'data', clock.now());
    if (delivery === 'delivered') {
      this.probes = 0;
      this.keepAlive(keepalive);
      return;
    }
    this.probes++;
    const { resetSeen } = fabric;
    const isOver = resetSeen || this.probes >= KEEPALIVE.probes;
    // Not before: a probe that is lost shows nothing to anybody.
    if (isOver) this.lost(delivery);
    if (isOver)
      this.keeper = clock.after(resetSeen ? 0 : KEEPALIVE.interval, () => this.fail({ how: 'reset' }));
    else this.keepAlive(KEEPALIVE.interval);
  }

  /** What makes connect() fail for good, unlike a SYN that is lost. */
  private refusal(delivery: Verdict): { why: string; after: Millis } | undefined {
    const { fabric } = this.host;
    if (delivery === 'rejected') return { why: 'ICMP port unreachable', after: 0 };
    if (fabric.resetSeen) return { why: 'connection refused (RST)', after: 0 };
    if (delivery === 'unroutable' && fabric.decidedBy !== 'balancer')
      return { why: 'ICMP host unreachable', after: HOST_UNREACHABLE_AFTER };
    return this.retries > SYN.retries ? { why: 'connect timed out', after: 0 } : undefined;
  }

  /** Sends what the client's TCP holds: data first, its FIN when the client has left; again and again until it arrives. */
  private transmit(): void {
    const { fabric, clock } = this.host;
    const delivery = fabric.exchange(this.flow, this.hasUnanswered ? 'data' : 'fin', clock.now());
    if (delivery === 'delivered') this.delivered();
    else this.undelivered(delivery);
  }

  private delivered(): void {
    this.retries = 0;
    this.isLost = false;
    if (!this.hasUnanswered) {
      this.left();
      return;
    }
    this.hasUnanswered = false;
    if (this.pod === undefined) this.upgraded();
    else if (this.state === 'open') this.answered();
    if (this.state === 'leaving') this.transmit();
  }

  private undelivered(verdict: Verdict): void {
    const { fabric, clock } = this.host;
    if (this.state === 'open') this.lost(verdict);
    const isOver = this.retries > (this.state === 'leaving' ? ORPHAN_RETRIES : DATA.retries);
    this.timer =
      fabric.resetSeen || isOver
        ? clock.after(0, () => this.fail({ how: 'reset' }))
        : clock.after(Math.min(DATA.most, DATA.first * 2 ** this.retries++), () => this.transmit());
  }

  private upgraded(): void {
    const pod = this.flow.pod as ServingPod;
    let atOnce = true;
    pod.process.upgrade(this, (welcome) => {
      if (atOnce || this.state === 'open') this.welcomed(pod, welcome);
      else {
        this.flow.shut();
        pod.process.left(this);
      }
    });
    atOnce = false;
  }

  private welcomed(pod: ServingPod, welcome: Welcome | string): void {
    if (typeof welcome === 'string') {
      this.flow.shut();
      this.host.clock.after(0, () => this.fail({ how: 'refused', why: welcome }));
      return;
    }
    this.pod = pod;
    this.relay = welcome.relay;
    if (welcome.greeting !== undefined) {
      this.isGreeted = true;
      this.handlers?.opened(this.through(welcome.greeting));
    }
    pod.process.accept(this);
  }

  /** The greeting with the proxy that passed it on, where it is another pod's than the one that accepted. */
  private through(greeting: Greeting): Greeting {
    const name = this.pod?.name;
    return name === undefined || name === greeting.pod ? greeting : { ...greeting, hop: name };
  }

  private answered(): void {
    const wait = this.pod?.process.heard?.() ?? this.relay?.delay?.() ?? 0;
    if (wait === 0) {
      if (this.relay === undefined || this.relay.passes()) this.handlers?.answered();
    } else
      this.host.clock.after(wait, () => {
        if (this.pod !== undefined && (this.relay === undefined || this.relay.passes())) this.answer();
      });
  }

  private closedByGateway(ending: Ending): void {
    const { fabric, clock } = this.host;
    if (this.state === 'closed') return;
    // The client answers with its own close frame; where that is lost, the gateway waits for its timeout.
    if (fabric.exchange(this.flow, 'fin', clock.now()) === 'delivered') this.shut();
    else this.timeOutClosing();
    this.fail(ending);
  }

  private timeOutClosing(): void {
    this.host.clock.after(CLOSE_TIMEOUT, () => this.shut());
  }

  /** The client's end is over. */
  private fail(ending: Ending): void {
    if (this.state === 'closed') return;
    this.state = 'closed';
    this.timer?.[Symbol.dispose]();
    this.timer = undefined;
    this.keeper?.[Symbol.dispose]();
    const { handlers } = this;
    this.handlers = undefined;
    handlers?.closed(ending);
  }

  /** The client has left in an orderly way, and the gateway knows it. */
  private left(): void {
    this.state = 'closed';
    this.shut();
  }

  /** The gateway's end is over. */
  private shut(): void {
    const { pod } = this;
    if (pod === undefined) return;
    this.pod = undefined;
    this.flow.shut();
    pod.process.left(this);
  }

  private lost(verdict: Verdict): void {
    if (this.isLost) return;
    this.isLost = true;
    const { fabric } = this.host;
    const before = this.flow.via?.name;
    this.host.record({
      type: 'fate',
      client: this.client(),
      verdict,
      node: fabric.decidedBy,
      ...(before === undefined || before === fabric.entered ? {} : { before }),
      rule: fabric.reason,
      ...(fabric.forgot === undefined ? {} : { forgot: fabric.forgot }),
    });
  }
}
