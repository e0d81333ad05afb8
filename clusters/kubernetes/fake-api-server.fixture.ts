import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { KubeConfig } from '@kubernetes/client-node';

/** One request as it came in. */
export interface Asked {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly contentType: string | undefined;
  readonly body: unknown;
}

/** What is answered: a status with a document, lines of a watch after which the connection ends, or a broken connection. */
export type Answer =
  | { readonly status?: number; readonly json: unknown }
  | { readonly watch: readonly unknown[]; readonly open?: boolean }
  | 'break';

/** An API server that answers what a test tells it to, over plain HTTP on the loopback interface. */
export async function fakeApiServer(
  answer: (asked: Asked) => Answer,
): Promise<AsyncDisposable & { readonly config: KubeConfig; readonly asked: Asked[] }> {
  const asked: Asked[] = [];
  const server = createServer((request, response) => {
    void (async () => {
      const one = await read(request);
      if (DISCOVERY[one.path] !== undefined) return respond(response, { json: DISCOVERY[one.path] });
      asked.push(one);
      respond(response, answer(one));
    })();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const config = new KubeConfig();
  config.loadFromClusterAndUser(
    {
      name: 'fake',
      server: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      skipTLSVerify: true,
    },
    { name: 'user' },
  );
  return {
    config,
    asked,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

const resources = (...kinds: [kind: string, name: string, namespaced: boolean][]) => ({
  kind: 'APIResourceList',
  apiVersion: 'v1',
  resources: kinds.map(([kind, name, namespaced]) => ({ kind, name, namespaced, verbs: [] })),
});

/** What Kubernetes 1.20 says of itself, as far as it is asked here. */
const DISCOVERY: Readonly<Record<string, unknown>> = {
  '/apis': {
    kind: 'APIGroupList',
    groups: [
      { name: 'apps', versions: [{ version: 'v1' }] },
      { name: 'discovery.k8s.io', versions: [{ version: 'v1beta1' }] },
    ],
  },
  '/api/v1': resources(['Service', 'services', true], ['Pod', 'pods', true], ['Node', 'nodes', false]),
  '/apis/apps/v1': resources(['Deployment', 'deployments', true]),
  '/apis/discovery.k8s.io/v1beta1': resources(['EndpointSlice', 'endpointslices', true]),
};

async function read(request: IncomingMessage): Promise<Asked> {
  let body = '';
  for await (const chunk of request) body += chunk;
  const url = new URL(request.url ?? '/', 'http://fake');
  return {
    method: request.method ?? '',
    path: url.pathname,
    query: url.searchParams,
    contentType: request.headers['content-type'],
    body: body === '' ? undefined : JSON.parse(body),
  };
}

function respond(response: ServerResponse, answer: Answer): void {
  if (answer === 'break') {
    response.destroy();
    return;
  }
  if ('json' in answer) {
    response.writeHead(answer.status ?? 200, { 'content-type': 'application/json' });
    response.end(JSON.stringify(answer.json));
    return;
  }
  response.writeHead(200, { 'content-type': 'application/json' });
  for (const line of answer.watch) response.write(`${JSON.stringify(line)}\n`);
  if (answer.open !== true) response.end();
}
