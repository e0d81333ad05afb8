import type { Onlooker, OnlookerContext, Suspect } from '../../harness/contracts/cluster.ts';
import { InterruptedError, KubeError, UsageError } from '../../harness/errors.ts';
import type { Get } from '../kubernetes/api/api-connection.ts';
import { openOnlooker } from '../kubernetes/onlooker/cluster-onlooker.ts';
import { chooseService, diagnosis } from './diagnose.ts';
import type { KubeconfigOptions } from './kubeconfig-options.ts';
import { connect, getter, load } from './preflight-kubeconfig.ts';
import { readFindings } from './read-findings.ts';

/** GET on the cluster, which answers. @throws UsageError where it does not. */
async function reached(options: KubeconfigOptions, signal: AbortSignal): Promise<Get> {
  try {
    const get = getter(await connect(options, signal));
    await get('/version');
    return get;
  } catch (error) {
    if (error instanceof InterruptedError) throw error;
    throw new UsageError([
      `the cluster cannot be looked at: ${(error as Error).message}; see that kubectl get services works, and choose --kubeconfig and --context`,
    ]);
  }
}

/** Looks on while somebody else releases what is behind a Service. Only ever reads. @throws UsageError where it cannot. */
export async function observe(
  options: KubeconfigOptions,
  suspect: Suspect,
  context: OnlookerContext,
): Promise<Onlooker> {
  const get = await reached(options, context.signal);
  const doubts: string[] = [];
  const subject = await chooseService(get, suspect, doubts);
  if (subject === undefined)
    throw new UsageError([
      `no Service of type LoadBalancer was found in ${suspect.namespace ?? 'any namespace'}; choose with --service and --namespace`,
    ]);
  let found: Pick<Onlooker, 'facts' | 'axes' | 'doubts'> = { facts: {}, axes: {}, doubts };
  try {
    found = diagnosis(await readFindings(get), subject, new Map(), doubts);
  } catch (error) {
    if (!(error instanceof KubeError)) throw error;
    doubts.push(`nodes, dataplane and balancer are not known, and predicted as by default: ${error.message}`);
  }
  const { service } = subject;
  const namespace = service.metadata?.namespace ?? 'default';
  return openOnlooker({ config: await load(options), namespace, service, found }, context);
}
