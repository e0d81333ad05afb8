/** What a gateway did, as far as it costs processor time; counts since its process was started. */
export interface Work {
  readonly handshakes: number;
  /** Pings answered. */
  readonly messages: number;
  /** Connections that ended, in whatever way. */
  readonly endings: number;
}

/** Processor time of one core, in milliseconds. */
export interface Cost {
  /** From the start of the process until it listens. */
  readonly boot: number;
  /** For each second, without anything to do. */
  readonly idle: number;
  /** For each connection and second, without a message. */
  readonly connection: number;
  readonly handshake: number;
  readonly message: number;
  readonly ending: number;
  /** For each request to the admin port, and each client that is refused before the upgrade. */
  readonly probe: number;
}

/**
 * The built-in gateway's own cost: Node 24, plain WebSockets, under about a hundred events a second; a process that
 * is kept busy needs half of it for each, one that must wake up for each twice as much. `node harness/bench/gateway-cost.main.ts`
 * measures it again.
 */
const BARE: Cost = {
  boot: 150,
  idle: 0.013,
  connection: 0.00002,
  handshake: 0.35,
  message: 0.17,
  ending: 0.15,
  // A connection and a request, as a handshake without its application is.
  probe: 0.35,
};

/** What a gateway's application adds: processor milliseconds for each handshake (TLS, login, first state) and message. */
export interface Application {
  readonly handshakeCpu: number;
  readonly messageCpu: number;
}

/** A gateway's cost with its application's. */
export const gatewayCost = ({ handshakeCpu, messageCpu }: Application): Cost => ({
  ...BARE,
  handshake: BARE.handshake + handshakeCpu,
  message: BARE.message + messageCpu,
});

/** Processor time for this work, in milliseconds, the boot not included. */
export const workTime = ({ handshakes, messages, endings }: Work, cost: Cost): number =>
  handshakes * cost.handshake + messages * cost.message + endings * cost.ending;

/** What a gateway uses while so many clients do nothing but ping, in millicores; `heartbeat` is in model milliseconds. */
export const calmUse = (connections: number, heartbeat: number, cost: Cost): number =>
  cost.idle + connections * (cost.connection + (1000 / heartbeat) * cost.message);
