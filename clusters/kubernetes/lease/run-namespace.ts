import type { V1Namespace, V1NamespaceList } from '@kubernetes/client-node';
import { PatchStrategy } from '@kubernetes/client-node';
import type { Removed, Swept, Unseen } from '../../../harness/contracts/cluster.ts';
import { InterruptedError, KubeError, NotReachedError } from '../../../harness/errors.ts';
import type { Clock } from '../../../harness/time/clock.ts';
import type { Millis } from '../../../harness/time/duration.ts';
import { formatDuration } from '../../../harness/time/duration.ts';
import type { ApiConnection } from '../api/api-connection.ts';
import type { Holder } from './lease.ts';
import { forgetLease, leaseHolder, owner, takeLease } from './lease.ts';
import { MANAGED_BY, RUN_LABEL } from './names.ts';
import { wallTime } from './wall-time.ts';

const EXPIRES = 'onedrop.dev/expires';
const OWNER = 'onedrop.dev/owner';

/** A living run moves its expiry on long before it comes; anybody may remove what is past it. */
const TIME_TO_LIVE: Millis = 30 * 60_000;
const RENEW_AFTER: Millis = TIME_TO_LIVE / 6;

/** How long the removal of a namespace may take: pods end at once, a cloud balancer needs minutes. */
const REMOVAL_LIMIT: Millis = 10 * 60_000;

const expiry = () => new Date(wallTime().getTime() + TIME_TO_LIVE).toISOString();

/** A cell's own namespace; disposing it removes it with all that it holds and waits until it is gone. */
export interface RunNamespace extends AsyncDisposable {
  /** Leaves it as it is, to be removed by whoever sweeps after its expiry. */
  abandon(): Promise<void>;
}

/**
 * Makes a namespace for one cell, labelled with its run, its owner and an expiry that is moved on while the run lives;
 * whatever fails, nothing is left.
 */
export async function createRunNamespace(
  heeding: ApiConnection,
  clock: Clock,
  name: string,
): Promise<RunNamespace> {
  const connection = heeding.deaf();
  await using alive = new AsyncDisposableStack();
  alive.use(await takeLease(name));
  const namespace: V1Namespace = {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: {
      name,
      labels: {
        ...MANAGED_BY,
        [RUN_LABEL]: name,
        // What the gateway's pods meet anyway; enforced, so that it stays so.
        'pod-security.kubernetes.io/enforce': 'restricted',
      },
      annotations: { [EXPIRES]: expiry(), [OWNER]: owner() },
    },
  };
  try {
    await heeding.request('POST', '/api/v1/namespaces', { body: JSON.stringify(namespace) });
  } catch (error) {
    // Nobody knows how far an interrupted request has come.
    if (error instanceof InterruptedError) await removeNamespace(connection, clock, name);
    throw error;
  }
  alive.use(renewal(connection, clock, name));
  const held = alive.move();
  return {
    abandon: () => held.disposeAsync(),
    // The lease last: a run that is killed while it removes its namespace is dead and not unknown.
    async [Symbol.asyncDispose]() {
      await removeNamespace(connection, clock, name);
      await held.disposeAsync();
    },
  };
}

function renewal(connection: ApiConnection, clock: Clock, name: string): Disposable {
  const metadata = () => ({ annotations: { [EXPIRES]: expiry() } });
  const renew = () => {
    timer = clock.after(RENEW_AFTER, renew);
    // A renewal that fails is tried again five times before the expiry comes.
    connection
      .request('PATCH', `/api/v1/namespaces/${name}`, {
        body: JSON.stringify({ metadata: metadata() }),
        contentType: PatchStrategy.MergePatch,
      })
      .catch(() => {});
  };
  let timer = clock.after(RENEW_AFTER, renew);
  return { [Symbol.dispose]: () => timer[Symbol.dispose]() };
}

/**
 * Removes a namespace, its pods without grace, and waits until it is gone; one that does not exist is gone.
 * @throws NotReachedError when it is still there after 10 minutes.
 */
async function removeNamespace(
  connection: ApiConnection,
  clock: Clock,
  name: string,
  signal?: AbortSignal,
): Promise<void> {
  const path = `/api/v1/namespaces/${name}`;
  const ask = (method: 'GET' | 'DELETE', what: string, query = {}) =>
    connection.request(method, what, { query }).catch((error) => {
      // Conflict: it is being deleted already.
      if (error instanceof KubeError && (error.reason === 'NotFound' || error.reason === 'Conflict'))
        return error.reason;
      throw error;
    });
  const deadline = clock.now() + REMOVAL_LIMIT;
  if ((await ask('DELETE', path)) !== 'NotFound')
    await ask('DELETE', `${path}/pods`, { gracePeriodSeconds: '0' });
  while ((await ask('GET', path)) !== 'NotFound') {
    if (clock.now() > deadline)
      throw new NotReachedError(
        `namespace ${name} is still there after ${formatDuration(REMOVAL_LIMIT)}; see what holds it: kubectl describe namespace ${name}`,
      );
    await clock.sleep(500, signal);
  }
}

/** Whether a namespace was left behind: its run is known to be dead, or its expiry has passed. */
export function isAbandoned(namespace: V1Namespace, holder: Holder, me: string, now: Date): boolean {
  const { annotations } = namespace.metadata ?? {};
  if (annotations?.[OWNER] === me && holder === 'alive') return false;
  if (annotations?.[OWNER] === me && holder === 'dead') return true;
  const expires = annotations?.[EXPIRES];
  return expires !== undefined && new Date(expires) < now;
}

/**
 * Removes the namespaces of dead runs from this cluster; living runs, others' included, are not touched.
 * @throws KubeError when it does not answer, or does not let its namespaces be listed.
 */
export async function sweepNamespaces(
  connection: ApiConnection,
  clock: Clock,
  signal?: AbortSignal,
): Promise<Swept> {
  const [[label, value]] = Object.entries(MANAGED_BY) as [[string, string]];
  const text = await connection.request('GET', '/api/v1/namespaces', {
    query: { labelSelector: `${label}=${value}` },
  });
  const removed: Removed[] = [];
  const unseen: Unseen[] = [];
  for (const namespace of (JSON.parse(text) as V1NamespaceList).items) {
    const name = namespace.metadata?.name ?? '';
    const run = namespace.metadata?.labels?.[RUN_LABEL] ?? name;
    if (!isAbandoned(namespace, await leaseHolder(run), owner(), wallTime())) continue;
    try {
      await removeNamespace(connection, clock, name, signal);
      forgetLease(run);
      removed.push({ kind: 'namespace', name });
    } catch (error) {
      unseen.push({ what: `namespace ${name}`, why: (error as Error).message });
    }
  }
  return { removed, unseen };
}
