import type { Millis } from '../time/duration.ts';
import type { Platform } from './platform.ts';
import { documented, read, unproven } from './properties.ts';

/** A client library, as far as it waits for a connection to open. */
interface ClientLibrary extends Platform {
  /** An attempt that has not opened by then is given up. */
  readonly connectTimeout: Millis;
}

/** How long clients of these libraries wait for a connection, unless told otherwise (FACTS-2026 10.4). */
export const CLIENT_LIBRARIES = {
  chrome: {
    title: 'Chrome',
    versions: 'its source in 2026',
    connectTimeout: 240_000,
    properties: [read('gives up after 240 s', 'chromium net/websockets/websocket_stream.cc')],
  },
  firefox: {
    title: 'Firefox',
    versions: 'its source in 2026',
    connectTimeout: 20_000,
    properties: [read('gives up after 20 s', 'preference network.websocket.timeout.open')],
  },
  ws: {
    title: 'ws for Node.js',
    versions: 'its source at a2f4e7c (2026)',
    connectTimeout: 127_000,
    properties: [
      read('has no handshakeTimeout unless one sets it', 'ws@a2f4e7c lib/websocket.js'),
      documented('so that the operating system gives up after 127 s', 'Linux ip-sysctl tcp_syn_retries 6'),
    ],
  },
  okhttp: {
    title: 'OkHttp',
    versions: 'its source at 1682d9b (2026)',
    connectTimeout: 10_000,
    properties: [read('gives up after 10 s', 'okhttp@1682d9b OkHttpClient.kt:613')],
  },
  urlsession: {
    title: 'URLSession',
    versions: 'not looked up',
    connectTimeout: 60_000,
    properties: [unproven('gives up after 60 s', 'timeoutIntervalForRequest, from memory')],
  },
  'python-websockets': {
    title: 'websockets for Python',
    versions: 'its source at 04e599c (2026)',
    connectTimeout: 10_000,
    properties: [read('gives up after 10 s (open_timeout)', 'websockets@04e599c')],
  },
  gorilla: {
    title: 'gorilla/websocket',
    versions: 'its source at e064f32 (2026)',
    connectTimeout: 45_000,
    properties: [read('its DefaultDialer gives up after 45 s', 'websocket@e064f32 client.go:158')],
  },
  'socket.io': {
    title: 'socket.io-client',
    versions: 'its source at d2d753f (2026)',
    connectTimeout: 20_000,
    properties: [read('gives up after 20 s', 'socket.io@d2d753f manager.ts')],
  },
  'reconnecting-websocket': {
    title: 'reconnecting-websocket',
    versions: 'its source in 2026',
    connectTimeout: 4000,
    properties: [read('gives up after 4 s', 'reconnecting-websocket.ts connectionTimeout')],
  },
  'centrifuge-js': {
    title: 'centrifuge-js',
    versions: 'its source in 2026',
    connectTimeout: 5000,
    properties: [read('gives up after 5 s', 'centrifuge.ts:81')],
  },
  'mqtt.js': {
    title: 'MQTT.js',
    versions: 'its source in 2026',
    connectTimeout: 30_000,
    properties: [read('gives up after 30 s', 'client.ts:62')],
  },
  signalr: {
    title: 'SignalR',
    versions: 'its documentation in 2026',
    connectTimeout: 15_000,
    properties: [
      documented('gives the handshake 15 s', 'ASP.NET Core documentation, Blazor SignalR guidance'),
    ],
  },
} as const satisfies Record<string, ClientLibrary>;

export type ClientLibraryName = keyof typeof CLIENT_LIBRARIES;
