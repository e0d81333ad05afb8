import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { KubeClient } from './kube-client.ts';

/** Those that the server serves are kept. */
const KINDS: readonly string[] = [
  'Deployment',
  'ReplicaSet',
  'Pod',
  'Service',
  'EndpointSlice',
  'HorizontalPodAutoscaler',
  'Ingress',
  'Gateway',
  'HTTPRoute',
  'VirtualService',
  'DestinationRule',
  'Node',
];

/** Lines of a pod's log that are kept; a gateway says little. */
const LOG_LINES = '5000';

/** Writes a namespace's objects, events and logs below `directory`, one file each; what may not be read says so. */
export async function collectNamespace(kube: KubeClient, directory: string): Promise<void> {
  const into = join(directory, kube.namespace);
  await mkdir(into, { recursive: true });
  const keep = async (name: string, read: () => Promise<string>) =>
    writeFile(
      join(into, name),
      await read().catch((error: Error) => `could not be read: ${error.message}\n`),
    );
  for (const kind of KINDS.filter((each) => kube.serves(each)))
    await keep(`${kind}.json`, async () => JSON.stringify(await kube.list(kind), null, 2));
  const namespace = `/api/v1/namespaces/${kube.namespace}`;
  await keep('events.txt', async () =>
    eventLines(await kube.connection.request('GET', `${namespace}/events`)),
  );
  for (const { metadata } of await kube.list('Pod'))
    await keep(`${metadata?.name}.log`, () =>
      kube.connection.request('GET', `${namespace}/pods/${metadata?.name}/log`, {
        query: { tailLines: LOG_LINES, timestamps: 'true' },
      }),
    );
}

interface ApiEvent {
  readonly lastTimestamp?: string | null;
  readonly eventTime?: string | null;
  readonly type?: string;
  readonly reason?: string;
  readonly message?: string;
  readonly involvedObject: { readonly kind?: string; readonly name?: string };
}

/** `kubectl get events --sort-by=.lastTimestamp`, a line an event. */
function eventLines(list: string): string {
  const line = ({ lastTimestamp, eventTime, type, reason, message, involvedObject }: ApiEvent) =>
    `${lastTimestamp ?? eventTime ?? '-'} ${type} ${reason} ${involvedObject.kind}/${involvedObject.name}: ${message}\n`;
  return (JSON.parse(list) as { items: ApiEvent[] }).items.map(line).sort().join('');
}
