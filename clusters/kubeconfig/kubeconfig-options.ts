import { z } from 'zod';
import type { ProviderOption } from '../../harness/contracts/cluster.ts';
import { UsageError } from '../../harness/errors.ts';

/** What can be chosen beside the axes; an option of the CLI each. */
export const KUBECONFIG_OPTIONS: Readonly<Record<string, ProviderOption>> = {
  kubeconfig: { value: 'FILE', help: 'kubeconfig of your cluster (default: $KUBECONFIG, or ~/.kube/config)' },
  context: { value: 'NAME', help: 'context of the kubeconfig (default: its current one)' },
  entrance: {
    value: 'auto|load-balancer|node-port',
    help: 'how clients reach your cluster (default: auto, its load balancer where it has one)',
  },
  'ingress-class': {
    value: 'NAME',
    help: 'IngressClass for ingress-canary on your cluster (default: the one of ingress-nginx)',
  },
  'gateway-class': { value: 'NAME', help: 'GatewayClass for --ingress-api gateway-api on your cluster' },
  'gateway-image': {
    value: 'IMAGE',
    help: 'image of the gateway on real clusters (default: the built-in one)',
  },
  retain: { help: 'leave clusters as they are when a cell broke' },
};

const SCHEMA = z.object({
  kubeconfig: z.string().optional(),
  context: z.string().optional(),
  entrance: z.enum(['auto', 'load-balancer', 'node-port']).default('auto'),
  'ingress-class': z.string().optional(),
  'gateway-class': z.string().optional(),
  'gateway-image': z.string().optional(),
  retain: z.literal('true').optional(),
});

export type KubeconfigOptions = z.output<typeof SCHEMA>;

/** @throws UsageError naming every value that is not allowed. */
export function kubeconfigOptions(chosen: Readonly<Record<string, string>>): KubeconfigOptions {
  const read = SCHEMA.safeParse(chosen);
  if (read.success) return read.data;
  throw new UsageError(
    read.error.issues.map(
      ({ path, message }) => `--${path.join('.')} ${chosen[String(path[0])] ?? ''}: ${message}`,
    ),
  );
}
