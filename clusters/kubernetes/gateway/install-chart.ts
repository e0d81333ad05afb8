import type { V1Pod } from '@kubernetes/client-node';
import { HarnessError, InterruptedError, KubeError } from '../../../harness/errors.ts';
import type { Clock } from '../../../harness/time/clock.ts';
import type { Millis } from '../../../harness/time/duration.ts';
import type { KubeClient } from '../api/kube-client.ts';
import type { OwnChart } from './own-chart.ts';

/** A new namespace gets its default service account a moment later. */
const ACCOUNT_LIMIT: Millis = 30_000;

/**
 * Applies what the chart's pods need and asks the API server, by a dry run, whether it would take such pods: refused
 * by the Pod Security Standard, a Deployment is accepted and its pods never come.
 * @throws HarnessError with the API server's own words.
 */
export async function installChart(
  kube: KubeClient,
  clock: Clock,
  chart: OwnChart,
  signal?: AbortSignal,
): Promise<void> {
  for (const object of chart.needs) {
    const { namespace: _, ...metadata } = object.metadata ?? {};
    await kube.apply({ ...object, metadata });
  }
  for (const [version, { metadata, spec }] of Object.entries(chart.templates)) {
    const { annotations, labels } = metadata ?? {};
    const pod = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: `gateway-${version}`, annotations, labels },
      spec,
    } as V1Pod;
    await admitted(kube, clock, pod, signal).catch((error: Error) => {
      if (error instanceof InterruptedError) throw error;
      throw new HarnessError(`gateway.chart (${version}): the cluster refuses its pods: ${error.message}`);
    });
  }
}

async function admitted(kube: KubeClient, clock: Clock, pod: V1Pod, signal?: AbortSignal): Promise<void> {
  const deadline = clock.now() + ACCOUNT_LIMIT;
  for (;;)
    try {
      await kube.connection.request('POST', `/api/v1/namespaces/${kube.namespace}/pods`, {
        query: { dryRun: 'All' },
        body: JSON.stringify(pod),
      });
      return;
    } catch (error) {
      // A webhook with side effects, which the real pod will meet.
      if (error instanceof KubeError && error.reason === 'BadRequest' && /dry ?run/i.test(error.message))
        return;
      const early = error instanceof KubeError && /looking up service account/i.test(error.message);
      if (!early || clock.now() > deadline) throw error;
      await clock.sleep(500, signal);
    }
}
