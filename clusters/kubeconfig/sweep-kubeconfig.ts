import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { NOTHING_LEFT, type Swept } from '../../harness/contracts/cluster.ts';
import { ScaledClock } from '../../harness/time/scaled-clock.ts';
import type { KubeconfigOptions } from './kubeconfig-options.ts';
import { connect } from './preflight-kubeconfig.ts';

/** Removes the namespaces of dead runs from the cluster; where nobody has named one and none is the default, there is none. */
export async function sweepKubeconfig(options: KubeconfigOptions, signal?: AbortSignal): Promise<Swept> {
  const file = options.kubeconfig ?? process.env.KUBECONFIG ?? defaultFile();
  if (file === undefined && options.context === undefined) return NOTHING_LEFT;
  const context = options.context === undefined ? '' : `, context ${options.context}`;
  try {
    const { sweepNamespaces } = await import('../kubernetes/lease/run-namespace.ts');
    return await sweepNamespaces(await connect(options, signal), new ScaledClock(1), signal);
  } catch (error) {
    const what = `the cluster of the kubeconfig ${file ?? 'in the home directory'}${context}`;
    return { removed: [], unseen: [{ what, why: (error as Error).message }] };
  }
}

function defaultFile(): string | undefined {
  const file = join(process.env.HOME ?? homedir(), '.kube', 'config');
  return existsSync(file) ? file : undefined;
}
