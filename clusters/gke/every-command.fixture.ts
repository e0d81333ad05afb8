import { GcloudCommands, type Words } from './gcloud-commands.ts';
import type { GkeOptions } from './gke-options.ts';

/** The commands that a plan does not name because they depend on what is found. */
export function everyCommand(options: GkeOptions): Words[] {
  const commands = new GcloudCommands(options);
  const labels = { 'managed-by': 'onedrop' };
  return [
    commands.listClusters(),
    commands.listRepositories(),
    commands.relabel('onedrop-keep-1', labels),
    commands.runningOperations('onedrop-gke-1', 'europe-west1'),
    commands.waitForOperation('operation-1'),
    commands.deleteCluster('onedrop-gke-1', 'us-central1'),
    commands.deleteRepository('onedrop-gke-1', 'us-central1'),
    commands.createVm('onedrop-gke-1', 'europe-west1-b', labels, 6 * 3_600_000),
    commands.socks('onedrop-gke-1', 'europe-west1-b', 1080),
    ...['forwarding-rules', 'backend-services', 'health-checks', 'addresses'].map((group) =>
      commands.deleteLeft({ group, name: 'k8s2-0123', location: { global: true } }),
    ),
  ];
}
