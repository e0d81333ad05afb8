import type { IncomingMessage } from 'node:http';
import { isIP, type LookupFunction, type Socket as TcpSocket } from 'node:net';
import { type ConnectionOptions, createSecureContext, type SecureContext } from 'node:tls';
import { SocksProxyAgent } from 'socks-proxy-agent';
import { WebSocket } from 'ws';
import type { ClientProtocol, Told } from '../config/client-protocol.ts';
import type { Greeting, Socket, SocketHandlers } from '../contracts/connection.ts';
import { SETTLED } from '../gateway/capacity.ts';

/** Where a client dials to, and from. */
export interface DialTarget {
  /** Such as `ws://172.18.255.200:80/`. */
  readonly url: string;
  /** The Host header, where a proxy in front goes by it; the address of `url` otherwise. */
  readonly host?: string;
  /** The address to connect to, where the name in `url` is not to be asked for: IPv4 or IPv6, without brackets. */
  readonly address?: string;
  /** How a `wss:` server is verified, and this client makes itself known; as Node does by default. */
  readonly tls?: Tls;
  /** The client's own address, where it has one of its own; the operating system chooses otherwise. */
  readonly localAddress?: string;
  /** The SOCKS proxy that the connection leaves from, such as `socks5h://127.0.0.1:1080`; undefined: from here. */
  readonly proxy?: string;
  /** What clients speak with a gateway that is not the built-in one; its path stands in the url. */
  readonly protocol?: ClientProtocol;
  /** The client was there long before the run; said to the built-in gateway only. */
  readonly isSettled?: boolean | undefined;
  /** Real milliseconds without a packet after which the operating system sends keep-alive probes: Node.js lets one choose no more than that. */
  readonly keepalive?: number | undefined;
  /** Real milliseconds after which a closing handshake that nobody answers is cut short; 2000 by default. */
  readonly closeTimeout?: number;
}

/** What of TLS can be chosen; certificates and keys are PEM texts. */
export interface Tls {
  /** Authorities to trust instead of those that Node brings. */
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  /** The name that the certificate must have, and that is asked for (SNI); the url's by default. */
  readonly serverName?: string;
  /** False: whatever certificate the server has is taken. */
  readonly verify?: boolean;
}

/**
 * Opens a real WebSocket with the `ws` client: the `Socket` of harness/contracts/connection.ts on every measured cluster.
 * Never throws; whatever goes wrong arrives as `closed`. `opened` comes with the gateway's greeting, not before.
 */
export function dialWebSocket(target: DialTarget, handlers: SocketHandlers): Socket {
  try {
    return new Connection(target, handlers);
  } catch (error) {
    let silent = false;
    const quiet = () => {
      silent = true;
    };
    setImmediate(() => {
      if (!silent) handlers.closed({ how: 'refused', why: (error as Error).message });
    });
    return { ping() {}, close: quiet, destroy: quiet };
  }
}

/**
 * A `ws` client that knows its handlers. It extends WebSocket and takes the library's events where they are emitted,
 * so that a connection costs no listener, closure or object beyond the library's own.
 */
class Connection extends WebSocket implements Socket {
  handlers: SocketHandlers | undefined;
  greeted = false;
  /** What the attempt failed with. */
  failure: NodeJS.ErrnoException | undefined;
  private readonly keepalive: number | undefined;
  private readonly speaks: ClientProtocol | undefined;
  /** What a gateway of another protocol has told of itself so far. */
  private told: Told | undefined;

  constructor(
    {
      url,
      host,
      address,
      tls,
      localAddress,
      proxy,
      protocol,
      isSettled = false,
      closeTimeout = 2000,
      keepalive,
    }: DialTarget,
    handlers: SocketHandlers,
  ) {
    super(url, protocol === undefined ? [] : [...protocol.subprotocols], {
      perMessageDeflate: false,
      closeTimeout,
      headers: {
        ...protocol?.headers,
        ...(host === undefined ? {} : { Host: host }),
        ...(isSettled && protocol === undefined ? { [SETTLED]: '1' } : {}),
      },
      ...(address === undefined ? {} : { lookup: lookupOf(address) }),
      ...(tls === undefined ? {} : tlsOptions(tls)),
      ...(localAddress === undefined ? {} : { localAddress }),
      ...(proxy === undefined ? {} : { agent: agentOf(proxy) }),
    } as object as WebSocket.ClientOptions);
    this.handlers = handlers;
    this.speaks = protocol;
    this.keepalive = keepalive;
  }

  override emit(event: string | symbol, first?: unknown, second?: unknown): boolean {
    switch (event) {
      case 'message':
        this.heard(first as WebSocket.RawData);
        return true;
      case 'pong':
        this.handlers?.answered();
        return true;
      case 'error':
        this.failure ??= first as Error;
        return true;
      case 'close':
        this.ended(first as number, second as Buffer);
        return true;
      case 'upgrade':
        if (this.speaks !== undefined) this.told = this.speaks.handshake((first as IncomingMessage).headers);
        return true;
      case 'open':
        if (this.keepalive !== undefined) insides(this)._socket?.setKeepAlive(true, this.keepalive);
        this.greetedBy(this.told);
        return true;
      default:
        return super.emit(event, first, second);
    }
  }

  override ping(): void {
    if (this.readyState === WebSocket.OPEN) super.ping();
  }

  override close(code?: number, reason?: string | Buffer): void {
    // `ws` itself calls this to answer a close frame; only a client's own call silences the handlers.
    if (code === undefined && !insides(this)._closeFrameReceived) {
      this.handlers = undefined;
      super.close(1000);
    } else super.close(code, reason);
  }

  destroy(): void {
    this.handlers = undefined;
    this.terminate();
  }

  /** Opens for its client once the gateway has said all that it is known to say of itself. */
  private greetedBy(told: Told | undefined): void {
    if (told === undefined || this.greeted) return;
    this.told = { ...this.told, ...told };
    const { version, pod = '' } = this.told;
    if (version === undefined || (this.told.pod === undefined && this.speaks?.tellsPod)) return;
    this.greeted = true;
    this.handlers?.opened({ version, pod });
  }

  private heard(data: WebSocket.RawData): void {
    if (this.speaks !== undefined) {
      const message = this.speaks.message(String(data));
      if (message === 'reconnect') this.handlers?.asked();
      else this.greetedBy(message);
      return;
    }
    const message = parse(String(data));
    if (message === undefined) return;
    if (message === 'reconnect') this.handlers?.asked();
    else if (this.greeted) this.handlers?.rehomed?.(message);
    else {
      this.greeted = true;
      this.handlers?.opened(message);
    }
  }

  private ended(code: number, reason: Buffer): void {
    const { handlers } = this;
    this.handlers = undefined;
    // `ws` hides what happened to the socket behind 1006: it went away without a close frame.
    const failure = this.failure ?? insides(this)._socket?.errored ?? undefined;
    if (code !== 1006) handlers?.closed({ how: 'close', code, reason: this.clean(reason.toString()) });
    else if (failure === undefined) handlers?.closed({ how: 'fin' });
    else if (this.greeted) handlers?.closed({ how: 'reset' });
    else {
      const why = (failure as NodeJS.ErrnoException).code ?? failure.message;
      handlers?.closed({ how: 'refused', why: this.clean(why) });
    }
  }

  private clean(text: string): string {
    return this.speaks === undefined ? text : this.speaks.redact(text);
  }
}

/** One agent a proxy: it holds no state of a connection. */
const agents = new Map<string, SocksProxyAgent>();

function agentOf(proxy: string): SocksProxyAgent {
  const agent = agents.get(proxy) ?? new SocksProxyAgent(proxy);
  agents.set(proxy, agent);
  return agent;
}

/** Answers every question for a name with this address. */
const lookupOf =
  (address: string): LookupFunction =>
  (_name, { all }, answer) => {
    const family = isIP(address);
    if (all) answer(null, [{ address, family }]);
    else answer(null, address, family);
  };

/** One context each: parsing certificates costs more than a handshake. */
const contexts = new Map<string, SecureContext>();

function tlsOptions(tls: Tls): ConnectionOptions {
  const { ca, cert, key, serverName, verify } = tls;
  const name = JSON.stringify([ca, cert, key]);
  const secureContext = contexts.get(name) ?? createSecureContext({ ca, cert, key });
  contexts.set(name, secureContext);
  return {
    secureContext,
    ...(serverName === undefined ? {} : { servername: serverName }),
    ...(verify === false ? { rejectUnauthorized: false } : {}),
  };
}

/** What `ws` knows and does not say. */
const insides = (connection: Connection) =>
  connection as unknown as { _closeFrameReceived: boolean; _socket: TcpSocket | undefined };

/** Greetings by their text: all connections to one pod share one, and only the first is parsed. */
const greetings = new Map<string, Greeting>();

/** More pods than any run has; a peer that says something new each time is not remembered. */
const MOST_GREETINGS = 10_000;

/** What the gateway says, or undefined where it is none of our words. */
function parse(text: string): Greeting | 'reconnect' | undefined {
  const known = greetings.get(text);
  if (known !== undefined) return known;
  try {
    const { onedrop, pod, version, node } = JSON.parse(text) as Greeting & { onedrop?: 1 | 'reconnect' };
    if (onedrop === 'reconnect') return 'reconnect';
    if (onedrop !== 1) return undefined;
    const greeting: Greeting = { pod, version, ...(node ? { node } : {}) };
    if (greetings.size < MOST_GREETINGS) greetings.set(text, greeting);
    return greeting;
  } catch {
    return undefined;
  }
}
