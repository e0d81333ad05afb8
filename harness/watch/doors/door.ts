import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { AnnouncedReleases } from '../releases.ts';
import { gate } from './gate.ts';
import type { WatchMetrics } from './metrics.ts';
import type { Standing } from './standing.ts';

/** The HTTP door of a watch: metrics, the verdict of the moment, and the gate. */
export interface Door extends AsyncDisposable {
  readonly url: string;
}

export interface DoorOptions {
  /** The address to listen on; only on loopback is a request's Host checked. */
  readonly host: string;
  /** 0 takes any free one. */
  readonly port: number;
  readonly standing: Standing;
  readonly metrics: WatchMetrics;
  readonly releases: AnnouncedReleases | undefined;
}

/** More than any pipeline has to say. */
const LONGEST_BODY = 1 << 16;

const LOOPBACK = /^(127(\.\d+){3}|localhost|::1)$/;
/** This machine's own names, with or without a port: another page's script must not read it by DNS rebinding. */
const OWN_HOST = /^(127(\.\d+){3}|localhost|\[::1\])(:\d+)?$/;

/** Opens it. @throws what listening failed with. */
export async function openDoor(options: DoorOptions): Promise<Door> {
  const { host, port } = options;
  const server = createServer((request, response) => {
    answer(request, response, options).catch(() => response.destroy());
  });
  // Whoever says nothing for so long does not hold the run open.
  server.requestTimeout = 10_000;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, resolve);
  });
  const bound = (server.address() as AddressInfo).port;
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${bound}/`,
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  { host, standing, metrics, releases }: DoorOptions,
): Promise<void> {
  const { pathname } = new URL(request.url ?? '/', 'http://door');
  const json = (status: number, body: unknown) =>
    response
      .writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store', ...CLOSED })
      .end(`${JSON.stringify(body)}\n`);
  if (isForeign(request, host)) return void json(403, { error: 'not for pages of another origin' });
  const { method = 'GET' } = request;
  if (method === 'GET' || method === 'HEAD') {
    switch (pathname) {
      case '/metrics': {
        const text = await metrics.registry.metrics();
        response.writeHead(200, { 'content-type': metrics.registry.contentType, ...CLOSED }).end(text);
        return;
      }
      case '/verdict':
        return void json(200, standing.document());
      case '/healthz':
        return void json(200, { state: standing.state });
      case '/readyz': {
        const there = !['connecting', 'calm'].includes(standing.state);
        return void json(there ? 200 : 503, { state: standing.state });
      }
    }
  }
  if (method !== 'POST') return void json(404, { error: `no ${method} ${pathname}` });
  const body = await read(request);
  if (body === undefined) return void json(400, { error: 'the body must be a JSON object, or empty' });
  const answered = gate(pathname, body, standing, releases);
  if (answered === undefined) return void json(404, { error: `no POST ${pathname}` });
  json(answered.status, { says: answered.says });
}

/** Nothing that another page could make use of. */
const CLOSED = {
  'cross-origin-resource-policy': 'same-origin',
  'x-content-type-options': 'nosniff',
};

/** A browser on behalf of a page; pipelines and Prometheus send neither. */
function isForeign({ headers }: IncomingMessage, host: string): boolean {
  if (headers.origin !== undefined) return true;
  if (
    headers['sec-fetch-site'] !== undefined &&
    !/^(none|same-origin)$/.test(String(headers['sec-fetch-site']))
  )
    return true;
  return LOOPBACK.test(host) && !OWN_HOST.test(headers.host ?? '');
}

/** The body as an object; undefined where it is none, or too long. */
async function read(request: IncomingMessage): Promise<Readonly<Record<string, unknown>> | undefined> {
  let text = '';
  for await (const chunk of request) {
    text += chunk;
    if (text.length > LONGEST_BODY) return undefined;
  }
  if (text.trim() === '') return {};
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}
