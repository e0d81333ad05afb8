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
  | 'break'
  /** No answer ever comes. */
  | 'hang';

/** Kinds by group and version, each with its plural and whether it is in a namespace. */
type Served = Readonly<Record<string, readonly [kind: string, name: string, namespaced: boolean][]>>;

/**
 * An API server that answers what a test tells it to, over plain HTTP on the loopback interface. It serves a few kinds
 * of Kubernetes 1.20, and `more`.
 */
export async function fakeApiServer(
  answer: (asked: Asked) => Answer,
  more: Served = {},
): Promise<AsyncDisposable & { readonly config: KubeConfig; readonly asked: Asked[] }> {
  const asked: Asked[] = [];
  const discovery = discoveryWith(more);
  const server = createServer((request, response) => {
    void (async () => {
      const one = await read(request);
      if (discovery[one.path] !== undefined) return respond(response, { json: discovery[one.path] });
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

const resources = (...kinds: Served[string]) => ({
  kind: 'APIResourceList',
  apiVersion: 'v1',
  resources: kinds.map(([kind, name, namespaced]) => ({ kind, name, namespaced, verbs: [] })),
});

/** What Kubernetes 1.20 says of itself, as far as it is asked here. */
const SERVED: Served = {
  'apps/v1': [['Deployment', 'deployments', true]],
  'discovery.k8s.io/v1beta1': [['EndpointSlice', 'endpointslices', true]],
};

function discoveryWith(more: Served): Readonly<Record<string, unknown>> {
  const served = { ...SERVED, ...more };
  const groups = Object.keys(served).map((each) => {
    const [name, version] = each.split('/');
    return { name, versions: [{ version }] };
  });
  return {
    '/apis': { kind: 'APIGroupList', groups },
    '/api/v1': resources(
      ['Service', 'services', true],
      ['Pod', 'pods', true],
      ['Node', 'nodes', false],
      ['ConfigMap', 'configmaps', true],
      ['Event', 'events', true],
      ['ServiceAccount', 'serviceaccounts', true],
    ),
    ...Object.fromEntries(
      Object.entries(served).map(([each, kinds]) => [`/apis/${each}`, resources(...kinds)]),
    ),
  };
}

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
  if (answer === 'hang') return;
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
