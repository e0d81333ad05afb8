import { type Axes, optionName } from '../contracts/axes.ts';
import type { Provider } from '../contracts/cluster.ts';
import type { Strategy } from '../contracts/scenario.ts';
import { PROXIES, PROXY_NAMES, proxiesOf } from '../platforms/proxies.ts';

/** Pods that a kubelet takes unless it is told otherwise (k8s KubeletConfiguration maxPods). */
const PODS_PER_NODE = 110;

/** Linux's net.ipv4.ip_local_port_range. */
const PORTS_PER_ADDRESS = 28_232;

const isZero = (text: string) => Number.parseInt(text, 10) === 0;

/**
 * What no cluster could play of a combination of values that are each allowed, in the words of the API server where
 * it is that which would refuse.
 */
export function impossible(strategy: Strategy, provider: Provider, axes: Axes): string[] {
  const { maxSurge, maxUnavailable, pods, nodes, clients, clientsBehind, ingress, ingressApi } = axes;
  const { hpaMin, hpaMax } = axes;
  const mistakes: string[] = [];
  if (isZero(maxSurge) && isZero(maxUnavailable))
    mistakes.push(
      `--${optionName('maxUnavailable')} ${maxUnavailable}: may not be 0 when --${optionName('maxSurge')} is ${maxSurge}`,
    );
  if (strategy.heeds?.includes('ingressApi') && PROXIES[ingress].api !== ingressApi)
    mistakes.push(
      `--${optionName('ingressApi')} ${ingressApi}: ${ingress} is played by its ${PROXIES[ingress].api}; choose --ingress ${proxiesOf(ingressApi).join(', ')}, or leave the API to it`,
    );
  if (strategy.heeds?.includes('promote') && !PROXIES[ingress].weighs)
    mistakes.push(
      `--ingress ${ingress}: ${strategy.name} gives a share of new connections to another Service, which no ${PROXIES[ingress].api} of ${PROXIES[ingress].title} can say; choose --ingress ${PROXY_NAMES.filter((name) => PROXIES[name].weighs).join(', ')}`,
    );
  if (strategy.heeds?.includes('hpaMax') && hpaMax < hpaMin)
    mistakes.push(
      `--${optionName('hpaMax')} ${hpaMax}: must be greater than or equal to --${optionName('hpaMin')} ${hpaMin}`,
    );
  const needed = pods * (strategy.requires(axes).includes('room for twice the pods') ? 2 : 1);
  // A cluster that was there before knows itself how many pods its nodes take.
  if (provider.given === undefined && needed > nodes * PODS_PER_NODE)
    mistakes.push(
      `--pods ${pods}: ${strategy.name} needs room for ${needed} pods, and ${nodes} node${nodes === 1 ? ' takes' : 's take'} ${nodes * PODS_PER_NODE}`,
    );
  if (clientsBehind !== undefined && clients / clientsBehind > PORTS_PER_ADDRESS)
    mistakes.push(
      `--${optionName('clientsBehind')} ${clientsBehind}: ${clients} clients need at least ${Math.ceil(clients / PORTS_PER_ADDRESS)} addresses, of ${PORTS_PER_ADDRESS} ports each`,
    );
  return mistakes;
}
