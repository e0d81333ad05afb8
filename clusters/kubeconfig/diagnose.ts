import { AXES, defaultAxes } from '../../harness/contracts/axes.ts';
import type { Diagnosis, Suspect } from '../../harness/contracts/cluster.ts';
import { UsageError } from '../../harness/errors.ts';
import { BALANCERS } from '../../harness/platforms/balancers.ts';
import type { Clock } from '../../harness/time/clock.ts';
import type { Millis } from '../../harness/time/duration.ts';
import type { Get } from '../kubernetes/api/api-connection.ts';
import { checkHealth } from '../kubernetes/api/health-check.ts';
import { nodeAddress } from '../kubernetes/api/views.ts';
import {
  axesOf,
  backendsOf,
  balancerOf,
  dataplaneOf,
  distributionOf,
  type Findings,
  readyEndpoints,
  type Subject,
  serviceFacts,
} from './findings.ts';
import { readBalancedServices, readFindings, readSubject } from './read-findings.ts';

const HEALTH_LIMIT: Millis = 2000;
/** kube-proxy's own health check, for all Services. */
const PROXY_HEALTH = 10_256;

/** The one-minute check: reads, and asks health ports; changes nothing. @throws UsageError where no such Service is. */
export async function diagnose(
  get: Get,
  clock: Clock,
  suspect: Suspect,
  hops: Diagnosis['facts'],
): Promise<Diagnosis> {
  const findings = await readFindings(get);
  const doubts: string[] = [];
  const subject = await chooseService(get, suspect, doubts);
  const ports = [PROXY_HEALTH, subject?.service.spec?.healthCheckNodePort ?? 0].filter((port) => port > 0);
  const health = await askHealth(clock, findings, ports);
  const { facts, ...rest } = diagnosis(findings, subject, health, doubts);
  return { ...rest, facts: { ...facts, ...hops } };
}

/** Which nodes say that they are healthy, by port. */
type Health = ReadonlyMap<number, readonly string[]>;

/** What the findings mean; a plain function, so that recorded clusters can be diagnosed as well. */
export function diagnosis(
  findings: Findings,
  subject: Subject | undefined,
  health: Health,
  before: readonly string[] = [],
): Diagnosis {
  const doubts = [...before];
  const backends = backendsOf(findings.nodes);
  const dataplane = dataplaneOf(findings);
  const balancer = balancerOf(findings, subject?.service);
  if (dataplane.axis === undefined)
    doubts.push(`the dataplane is not known: predicted as ${AXES.proxy.fallback}; give --proxy`);
  const assumed = BALANCERS[defaultAxes().balancer].title;
  if (balancer.axis === undefined)
    doubts.push(
      balancer.exists
        ? `the prediction assumes ${assumed}; what this one does with tracked flows whose node turns unhealthy is for a measurement to tell, or choose with --balancer`
        : `without a balancer the prediction is for ${assumed} in front of these nodes`,
    );
  const zones = new Set(backends.map(({ metadata }) => metadata?.labels?.['topology.kubernetes.io/zone']));
  const policy = subject?.service.spec?.externalTrafficPolicy ?? 'Cluster,Local';
  const distribution = subject && distributionOf(subject.service);
  const pods = subject === undefined ? 0 : readyEndpoints(subject.slices);
  return {
    facts: {
      kubernetes: findings.version,
      'nodes that take traffic': `${backends.length} in ${zones.size} zone${zones.size === 1 ? '' : 's'}`,
      dataplane: dataplane.words,
      'load balancer': balancer.words,
      ...(subject === undefined ? {} : serviceFacts(subject)),
      ...healthFacts(health, backends.length),
    },
    axes: {
      ...axesOf(findings, 'load-balancer'),
      ...(balancer.axis === undefined ? {} : { balancer: balancer.axis }),
      policy,
      ...(distribution === undefined ? {} : { trafficDistribution: distribution }),
      ...(pods > 0 ? { pods: String(pods) } : {}),
    },
    doubts,
  };
}

function healthFacts(health: Health, nodes: number): Record<string, string> {
  const facts = [...health].map(([port, healthy]) => [
    `port ${port} from here`,
    healthy.length === 0
      ? 'no node answers 200 (closed to this machine, or unhealthy)'
      : `${healthy.length} of ${nodes} nodes answer 200: ${healthy.join(', ')}`,
  ]);
  return Object.fromEntries(facts);
}

async function askHealth(clock: Clock, { nodes }: Findings, ports: readonly number[]): Promise<Health> {
  const ask = (host: string, port: number) =>
    new Promise<boolean>((resolve) => checkHealth(clock, { host, port, timeout: HEALTH_LIMIT }, resolve));
  const answers = ports.map(async (port) => {
    const healthy = await Promise.all(
      backendsOf(nodes).map(async (node) => {
        const host = nodeAddress(node);
        return host !== undefined && (await ask(host, port)) ? [node.metadata?.name ?? ''] : [];
      }),
    );
    return [port, healthy.flat().sort()] as const;
  });
  return new Map(await Promise.all(answers));
}

/** The Service that was named, else the only one with a balancer; what was chosen of several is added to `doubts`. */
export async function chooseService(
  get: Get,
  { namespace, service }: Suspect,
  doubts: string[],
): Promise<Subject | undefined> {
  if (service !== undefined) {
    const missing = (error: Error) =>
      new UsageError([`--service ${service}: ${error.message}; choose with --service and --namespace`]);
    return readSubject(get, namespace ?? 'default', service).catch((error) => Promise.reject(missing(error)));
  }
  const found = await readBalancedServices(get, namespace).catch(() => []);
  const [one, ...more] = found;
  const names = found.map(({ metadata }) => `${metadata?.namespace}/${metadata?.name}`);
  if (one?.metadata?.name === undefined) {
    doubts.push('no Service of type LoadBalancer was found: both policies are predicted; give --service');
    return undefined;
  }
  if (more.length > 0)
    doubts.push(`${names[0]} was taken of ${names.join(', ')}; choose with --service and --namespace`);
  return readSubject(get, one.metadata.namespace ?? 'default', one.metadata.name);
}
