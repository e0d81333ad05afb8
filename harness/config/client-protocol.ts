import type { IncomingHttpHeaders } from 'node:http';
import type { Config } from '../contracts/config.ts';
import type { Greeting } from '../contracts/connection.ts';
import { readHeaders, readMessage } from './self-description.ts';

/** How clients speak to a gateway that is not the built-in one: what they send, and what they understand. */
export interface ClientProtocol {
  readonly path: string;
  readonly subprotocols: readonly string[];
  readonly headers: Readonly<Record<string, string>>;
  /** Whether the gateway says which pod it is; then a connection is open once it has. */
  readonly tellsPod: boolean;
  /** What the handshake's response says of the gateway. */
  handshake(headers: IncomingHttpHeaders): Told;
  /** What a message says of the gateway; `reconnect` when it asks the client to go. */
  message(text: string): Told | 'reconnect';
  /** A text without any of the headers' values in it. */
  redact(text: string): string;
}

/** What a gateway has told of itself so far. */
export type Told = Partial<Pick<Greeting, 'version' | 'pod'>>;

/** Values so short would be found in many texts, and guessed anyway. */
const SHORTEST_SECRET = 4;

/** What decides how clients speak: of a configuration, or typed for a gateway that is only watched. */
export type Speech = Pick<Config, 'pod' | 'versions' | 'asks' | 'clients'> & {
  readonly gateway: Pick<Config['gateway'], 'path'>;
  /** Undefined: the gateway does not say its version, and a connection is open with its handshake; its version is ''. */
  readonly version?: Config['version'] | undefined;
};

/** The protocol that a configuration describes. */
export function clientProtocol({ gateway, version, pod, versions, asks, clients }: Speech): ClientProtocol {
  const names = new Map([
    [versions.v1, 'v1'],
    [versions.v2, 'v2'],
  ]);
  const told = (saidVersion: string | undefined, saidPod: string | undefined): Told => ({
    // A name that is neither version's is shown as it is, so that it can be found.
    ...(saidVersion === undefined ? {} : { version: names.get(saidVersion) ?? saidVersion }),
    ...(saidPod === undefined ? {} : { pod: saidPod }),
  });
  // The longest first: one may hold another.
  const secrets = Object.values(clients.headers)
    .flatMap((value) => [value, ...value.split(/\s+/)])
    .filter((value) => value.length >= SHORTEST_SECRET)
    .sort((a, b) => b.length - a.length);
  return {
    path: gateway.path,
    subprotocols: clients.subprotocols,
    headers: clients.headers,
    tellsPod: pod !== undefined,
    handshake: (headers) =>
      told(version === undefined ? '' : readHeaders(version, headers), readHeaders(pod, headers)),
    message(text) {
      if (asks !== undefined) {
        const found = readMessage({ message: asks.message }, text);
        if ('equals' in asks ? found === asks.equals : found !== undefined) return 'reconnect';
      }
      return told(readMessage(version, text), readMessage(pod, text));
    },
    redact: (text) => secrets.reduce((clean, secret) => clean.replaceAll(secret, '[redacted]'), text),
  };
}
