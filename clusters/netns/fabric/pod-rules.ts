import type { BalancerProgram } from '../../control-plane/balancer/balancer-program.ts';

/** What a forwarding rule to pods adds to the balancer's table. */
export interface PodRules {
  /** Slot -> mark of the pod. */
  readonly slots: readonly number[];
  /** A conntrack timeout that new flows get, by name. */
  readonly timeout: { readonly name: string; readonly text: string };
  /** Rules of the chain that its packets go to, before any address is rewritten. */
  readonly rule: readonly string[];
  /** What a new flow meets once the mark of a pod is set. */
  readonly chosen: readonly string[];
  /** The rule that rewrites its destination. */
  readonly rewrite: string;
}

/** Marks of pods are beyond those of nodes, by which packets are routed. */
const FIRST_MARK = 2 ** 24;

/**
 * A balancer that sends to pods rewrites both ways, so that what it holds is its own conntrack: a flow keeps the pod
 * that it was given, whose mark its entry carries, until it idles for too long or that pod's flows are reset. `name` is
 * that of the rule's chains; `speed` is model milliseconds a real one, and conntrack counts whole seconds.
 */
export function podRules(program: BalancerProgram, name: string, speed: number): PodRules {
  const { address, port, backends, table, tracking } = program;
  const marks = backends.map(({ pod }) => markOf(pod?.address ?? ''));
  const resetting = marks.filter((_, index) => backends[index]?.held === 'reset');
  const reset = 'counter reject with tcp reset';
  const seconds = Math.max(1, Math.round(tracking.idle / speed / 1000));
  const timeout = `idle_${seconds}`;
  const pods = backends.map(({ pod }, index) => `${marks[index]} : ${pod?.address} . ${pod?.port}`);
  return {
    slots: Array.from(table, (index) => marks[index] as number),
    timeout: {
      name: timeout,
      text: `ct timeout ${timeout} {\nprotocol tcp;\nl3proto ip;\npolicy = { established : ${seconds} };\n}`,
    },
    rule: [
      ...(tracking.unknown === 'reset'
        ? [`ct state invalid ${reset}`, `ct state new tcp flags & (syn | ack) != syn ${reset}`]
        : []),
      `ct state new goto choose_${name}`,
      ...(resetting.length > 0 ? [`ct mark { ${resetting.join(', ')} } ${reset}`] : []),
      'counter accept',
    ],
    chosen: ['ct mark set meta mark', `ct timeout set "${timeout}"`, 'counter accept'],
    rewrite: `ip daddr ${address} tcp dport ${port} dnat ip to meta mark map { ${pods.join(', ')} }`,
  };
}

/** Its address within the pods' /8. */
const markOf = (address: string): number =>
  address
    .split('.')
    .slice(1)
    .reduce((sum, part) => sum * 256 + Number(part), 0) + FIRST_MARK;

/** The chains of all such rules: what goes to a pod comes from the balancer, so that answers come back to it. */
export const podChains = (
  rules: readonly PodRules[],
): readonly (readonly [name: string, rules: string[]])[] =>
  rules.length === 0
    ? []
    : [
        ['rewrite', ['type nat hook prerouting priority -100;', ...rules.map(({ rewrite }) => rewrite)]],
        ['disguise', ['type nat hook postrouting priority 100;', `ct mark >= ${FIRST_MARK} masquerade`]],
      ];
