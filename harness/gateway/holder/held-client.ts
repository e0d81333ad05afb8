import type { IncomingMessage } from 'node:http';
import { type RawData, WebSocket } from 'ws';
import { SETTLED } from '../capacity.ts';
import { COMES_BACK, TRY_AGAIN_LATER } from './endings.ts';

/** What a held client needs from its holder. Times are model milliseconds. */
export interface HeldClientHost {
  /** Such as `ws://10.96.100.1:80`. */
  readonly upstream: string;
  /** How long an upstream may take to open, or to answer a ping, before another one is tried. */
  readonly patience: number;
  /** How long a client is kept without any upstream. */
  readonly holdFor: number;
  now(): number;
  after(delay: number, fire: () => void): void;
  /** Asks for a turn to open an upstream, so that not all clients do so at once; `open` is called when it has come. */
  turn(open: (done: () => void) => void): void;
  /** The client has another upstream than before. */
  rehomed(why: string): void;
  /** The client is about to be closed, for want of an upstream. */
  givenUp(): void;
}

/** Requests' headers that the gateway may decide by. */
const PASSED_ON = ['authorization', 'cookie', 'origin', 'user-agent', SETTLED];
const RECONNECT = JSON.stringify({ onedrop: 'reconnect' });
/** A client that sends more than this many bytes while it has no upstream is too much to hold. */
const MOST_HELD = 1_048_576;

/**
 * One client's WebSocket and the upstream that serves it now. The new upstream is opened before the old one is
 * closed; what the client says in between is kept and goes to whichever serves next, what the old one still has to
 * say is passed on. Pings are answered by the upstream, not by the holder: a holder that answered them itself
 * would hide a dead gateway from its clients; while there is no upstream they wait for the next one.
 */
export class HeldClient {
  private readonly host: HeldClientHost;
  private readonly client: WebSocket;
  private readonly address: string;
  private readonly headers: Record<string, string>;
  private readonly protocol: string;
  private upstream: WebSocket | undefined;
  private opening = false;
  /** Why the next upstream is opened; undefined for a client's first. */
  private why: string | undefined;
  private homeless: number | undefined;
  private held: { data: RawData; binary: boolean }[] = [];
  private heldBytes = 0;
  private readonly pings: Buffer[] = [];
  private pongs = 0;

  constructor(host: HeldClientHost, client: WebSocket, request: IncomingMessage) {
    this.host = host;
    this.client = client;
    this.address = `${host.upstream}${request.url ?? '/'}`;
    this.protocol = client.protocol;
    this.headers = Object.fromEntries(
      PASSED_ON.flatMap((name) => (request.headers[name] ? [[name, String(request.headers[name])]] : [])),
    );
    this.headers['x-forwarded-for'] = request.socket.remoteAddress ?? '';
    client.on('message', (data, binary) => this.say(data, binary));
    client.on('ping', (data) => this.ping(data));
    client.on('close', (code) => this.upstream?.close(code === 1000 || code >= 3000 ? code : 1000));
    this.homeless = host.now();
    this.home();
  }

  /** Moves the client to a new upstream; it notices only what the new one says. */
  rehome(why: string): void {
    this.why = why;
    this.home();
  }

  private home(): void {
    if (this.opening || this.client.readyState !== WebSocket.OPEN) return;
    this.opening = true;
    this.host.turn((done) => this.open(done));
  }

  private open(done: () => void): void {
    const upstream = new WebSocket(this.address, this.protocol === '' ? [] : [this.protocol], {
      perMessageDeflate: false,
      headers: this.headers,
      skipUTF8Validation: true,
    });
    let settled = false;
    const settle = (opened: boolean) => {
      if (settled) return;
      settled = true;
      this.opening = false;
      done();
      if (opened) this.moveTo(upstream);
      else this.tryAgain(upstream);
    };
    this.host.after(this.host.patience, () => settle(false));
    upstream.on('error', ignore);
    upstream.on('open', () => settle(true));
    upstream.on('message', (data, binary) => this.hear(upstream, data, binary));
    upstream.on('pong', () => this.answered(upstream));
    upstream.on('close', (code, reason) => {
      settle(false);
      this.closed(upstream, code, reason);
    });
  }

  private moveTo(upstream: WebSocket): void {
    if (this.client.readyState !== WebSocket.OPEN) {
      upstream.close(1000);
      return;
    }
    // What was paid for long before the run was the client's first upstream.
    delete this.headers[SETTLED];
    const { upstream: old, why } = this;
    this.upstream = upstream;
    this.homeless = undefined;
    for (const { data, binary } of this.held) upstream.send(data, { binary });
    this.held = [];
    this.heldBytes = 0;
    for (const data of this.pings) this.askAlive(upstream, data);
    old?.close(1000);
    if (why !== undefined) this.host.rehomed(why);
    this.why = undefined;
  }

  private tryAgain(upstream: WebSocket): void {
    upstream.terminate();
    if (this.client.readyState !== WebSocket.OPEN) return;
    if (this.homeless !== undefined && this.host.now() - this.homeless >= this.host.holdFor) this.giveUp();
    else this.host.after(this.host.patience / 5, () => this.home());
  }

  private say(data: RawData, binary: boolean): void {
    if (this.upstream?.readyState === WebSocket.OPEN) {
      this.upstream.send(data, { binary });
      return;
    }
    this.held.push({ data, binary });
    this.heldBytes += (data as Buffer).length;
    if (this.heldBytes > MOST_HELD) this.giveUp();
  }

  private giveUp(): void {
    this.host.givenUp();
    this.client.close(TRY_AGAIN_LATER, 'no gateway');
  }

  private hear(upstream: WebSocket, data: RawData, binary: boolean): void {
    if (!binary && String(data) === RECONNECT) {
      if (upstream === this.upstream) this.rehome('the gateway asks for it');
    } else if (this.client.readyState === WebSocket.OPEN) this.client.send(data, { binary });
  }

  private closed(upstream: WebSocket, code: number, reason: Buffer): void {
    if (upstream !== this.upstream) return;
    this.upstream = undefined;
    this.homeless ??= this.host.now();
    if (COMES_BACK.has(code)) this.rehome(`the gateway closed with ${code}`);
    else this.client.close(code, reason);
  }

  private ping(data: Buffer): void {
    this.pings.push(data);
    if (this.upstream?.readyState === WebSocket.OPEN) this.askAlive(this.upstream, data);
  }

  private askAlive(upstream: WebSocket, data: Buffer): void {
    upstream.ping(data);
    const awaited = this.pongs + 1;
    this.host.after(this.host.patience, () => {
      if (upstream !== this.upstream || this.pongs >= awaited) return;
      // A close that nobody answers would keep it; what it may still say is lost as with any dead server.
      this.upstream = undefined;
      this.homeless ??= this.host.now();
      upstream.terminate();
      this.rehome('the gateway does not answer');
    });
  }

  private answered(upstream: WebSocket): void {
    if (upstream !== this.upstream) return;
    const data = this.pings.shift();
    this.pongs++;
    if (data !== undefined && this.client.readyState === WebSocket.OPEN) this.client.pong(data);
  }
}

const ignore = () => {};
