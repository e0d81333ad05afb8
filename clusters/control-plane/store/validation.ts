import { isDeepStrictEqual } from 'node:util';
import type {
  IntOrString,
  KubernetesObject,
  V1Container,
  V1Deployment,
  V1Pod,
  V1PodDisruptionBudget,
  V1PodSpec,
  V1Probe,
  V1Service,
  V2HorizontalPodAutoscaler,
} from '@kubernetes/client-node';
import { selects } from './objects.ts';

type Complain = (field: string, value: unknown, why: string) => void;

const DNS_SUBDOMAIN = /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/;
const LABEL_VALUE = /^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$/;
const isPort = (port: unknown) =>
  Number.isInteger(port) && (port as number) >= 1 && (port as number) <= 65_535;
const isCount = (value: unknown) => Number.isInteger(value) && (value as number) >= 0;

/** All mistakes in a defaulted object, each in the API's own form `field: Invalid value: ...: why`. */
export function mistakesIn(object: KubernetesObject, old?: KubernetesObject): string[] {
  const mistakes: string[] = [];
  const complain: Complain = (field, value, why) =>
    mistakes.push(`${field}: Invalid value: ${JSON.stringify(value) ?? 'null'}: ${why}`);
  const name = object.metadata?.name ?? '';
  if (!DNS_SUBDOMAIN.test(name) || name.length > 253)
    complain('metadata.name', name, 'must be a lowercase DNS name of at most 253 characters');
  labels('metadata.labels', object.metadata?.labels, complain);
  const check = CHECKS[object.kind ?? ''];
  check?.(object as never, complain, old as never);
  return mistakes;
}

function labels(field: string, given: Record<string, string> | undefined, complain: Complain): void {
  for (const [key, value] of Object.entries(given ?? {}))
    if (typeof value !== 'string' || value.length > 63 || !LABEL_VALUE.test(value))
      complain(`${field}.${key}`, value, 'must be a label value of at most 63 characters');
}

function probe(field: string, given: V1Probe | undefined, complain: Complain): void {
  if (given === undefined) return;
  if (!given.httpGet && !given.exec && !given.tcpSocket && !given.grpc)
    complain(field, given, 'must specify a handler type');
  for (const key of ['timeoutSeconds', 'periodSeconds', 'successThreshold', 'failureThreshold'] as const)
    if (!isCount(given[key]) || given[key] === 0)
      complain(`${field}.${key}`, given[key], 'must be greater than 0');
  if (given.initialDelaySeconds !== undefined && !isCount(given.initialDelaySeconds))
    complain(`${field}.initialDelaySeconds`, given.initialDelaySeconds, 'must be at least 0');
  if (!field.endsWith('readinessProbe') && given.successThreshold !== 1)
    complain(`${field}.successThreshold`, given.successThreshold, 'must be 1');
}

function container(field: string, given: V1Container, complain: Complain): void {
  if (!given.name) complain(`${field}.name`, given.name, 'is required');
  if (!given.image) complain(`${field}.image`, given.image, 'is required');
  for (const [index, port] of (given.ports ?? []).entries())
    if (!isPort(port.containerPort))
      complain(`${field}.ports[${index}].containerPort`, port.containerPort, 'must be between 1 and 65535');
  for (const name of ['startupProbe', 'readinessProbe', 'livenessProbe'] as const)
    probe(`${field}.${name}`, given[name], complain);
}

function podSpec(field: string, spec: V1PodSpec | undefined, complain: Complain): void {
  if (!spec?.containers?.length)
    complain(`${field}.containers`, spec?.containers, 'needs at least one container');
  for (const [index, given] of (spec?.containers ?? []).entries())
    container(`${field}.containers[${index}]`, given, complain);
  if (!isCount(spec?.terminationGracePeriodSeconds))
    complain(
      `${field}.terminationGracePeriodSeconds`,
      spec?.terminationGracePeriodSeconds,
      'must be at least 0',
    );
}

const isIntOrPercent = (value: IntOrString | undefined) =>
  typeof value === 'number' ? isCount(value) : /^\d+%$/.test(value ?? '');
const isZero = (value: IntOrString | undefined) => Number.parseInt(String(value), 10) === 0;

function deployment(given: V1Deployment, complain: Complain, old?: V1Deployment): void {
  const { spec } = given;
  if (spec === undefined) {
    complain('spec', spec, 'is required');
    return;
  }
  if (!isCount(spec.replicas)) complain('spec.replicas', spec.replicas, 'must be at least 0');
  if (
    Object.keys(spec.selector.matchLabels ?? {}).length + (spec.selector.matchExpressions ?? []).length ===
    0
  )
    complain('spec.selector', spec.selector, 'empty selector is invalid for deployment');
  else if (!selects(spec.selector, spec.template.metadata?.labels ?? {}))
    complain(
      'spec.template.metadata.labels',
      spec.template.metadata?.labels,
      '`selector` does not match template `labels`',
    );
  if (old !== undefined && !isDeepStrictEqual(old.spec?.selector, spec.selector))
    complain('spec.selector', spec.selector, 'field is immutable');
  labels('spec.template.metadata.labels', spec.template.metadata?.labels, complain);
  podSpec('spec.template.spec', spec.template.spec, complain);
  if (spec.minReadySeconds !== undefined && !isCount(spec.minReadySeconds))
    complain('spec.minReadySeconds', spec.minReadySeconds, 'must be at least 0');
  if ((spec.progressDeadlineSeconds ?? 0) <= (spec.minReadySeconds ?? 0))
    complain(
      'spec.progressDeadlineSeconds',
      spec.progressDeadlineSeconds,
      'must be greater than minReadySeconds',
    );
  strategy(spec.strategy, complain);
}

function strategy(given: NonNullable<V1Deployment['spec']>['strategy'], complain: Complain): void {
  const rolling = given?.rollingUpdate;
  if (given?.type === 'Recreate') {
    if (rolling)
      complain(
        'spec.strategy.rollingUpdate',
        rolling,
        "may not be specified when strategy `type` is 'Recreate'",
      );
    return;
  }
  if (given?.type !== 'RollingUpdate') {
    complain('spec.strategy.type', given?.type, 'must be RollingUpdate or Recreate');
    return;
  }
  for (const field of ['maxSurge', 'maxUnavailable'] as const)
    if (!isIntOrPercent(rolling?.[field]))
      complain(`spec.strategy.rollingUpdate.${field}`, rolling?.[field], 'must be a count or a percentage');
  if (
    /%$/.test(String(rolling?.maxUnavailable)) &&
    Number.parseInt(String(rolling?.maxUnavailable), 10) > 100
  )
    complain(
      'spec.strategy.rollingUpdate.maxUnavailable',
      rolling?.maxUnavailable,
      'must not be greater than 100%',
    );
  if (isZero(rolling?.maxSurge) && isZero(rolling?.maxUnavailable))
    complain(
      'spec.strategy.rollingUpdate.maxUnavailable',
      rolling?.maxUnavailable,
      'may not be 0 when `maxSurge` is 0',
    );
}

const DISTRIBUTIONS = ['PreferClose', 'PreferSameZone', 'PreferSameNode'];

function service(given: V1Service, complain: Complain): void {
  const { spec } = given;
  if (spec === undefined) {
    complain('spec', spec, 'is required');
    return;
  }
  if (!['ClusterIP', 'NodePort', 'LoadBalancer'].includes(spec.type ?? ''))
    complain('spec.type', spec.type, 'must be ClusterIP, NodePort or LoadBalancer');
  if (!['None', 'ClientIP'].includes(spec.sessionAffinity ?? ''))
    complain('spec.sessionAffinity', spec.sessionAffinity, 'must be None or ClientIP');
  if (spec.externalTrafficPolicy !== undefined && !['Cluster', 'Local'].includes(spec.externalTrafficPolicy))
    complain('spec.externalTrafficPolicy', spec.externalTrafficPolicy, 'must be Cluster or Local');
  const { trafficDistribution } = spec;
  if (trafficDistribution !== undefined && !DISTRIBUTIONS.includes(trafficDistribution))
    complain('spec.trafficDistribution', trafficDistribution, `must be one of ${DISTRIBUTIONS.join(', ')}`);
  labels('spec.selector', spec.selector, complain);
  if (!spec.ports?.length) complain('spec.ports', spec.ports, 'is required');
  const seen = new Set<string>();
  for (const [index, port] of (spec.ports ?? []).entries()) {
    const field = `spec.ports[${index}]`;
    if (!isPort(port.port)) complain(`${field}.port`, port.port, 'must be between 1 and 65535');
    if (typeof port.targetPort === 'number' && !isPort(port.targetPort))
      complain(`${field}.targetPort`, port.targetPort, 'must be between 1 and 65535');
    if (!['TCP', 'UDP', 'SCTP'].includes(port.protocol ?? ''))
      complain(`${field}.protocol`, port.protocol, 'must be TCP, UDP or SCTP');
    if ((spec.ports?.length ?? 0) > 1 && !port.name) complain(`${field}.name`, port.name, 'is required');
    const key = `${port.protocol}/${port.port}`;
    if (seen.has(key)) complain(field, key, 'is a duplicate');
    seen.add(key);
  }
}

function autoscaler({ spec }: V2HorizontalPodAutoscaler, complain: Complain): void {
  if (spec === undefined) {
    complain('spec', spec, 'is required');
    return;
  }
  if (!(spec.maxReplicas >= 1)) complain('spec.maxReplicas', spec.maxReplicas, 'must be at least 1');
  if (!((spec.minReplicas ?? 1) >= 1)) complain('spec.minReplicas', spec.minReplicas, 'must be at least 1');
  if (spec.maxReplicas < (spec.minReplicas ?? 1))
    complain('spec.maxReplicas', spec.maxReplicas, 'must be greater than or equal to `minReplicas`');
  for (const direction of ['scaleUp', 'scaleDown'] as const) {
    const window = spec.behavior?.[direction]?.stabilizationWindowSeconds;
    if (window !== undefined && !(isCount(window) && window <= 3600))
      complain(`spec.behavior.${direction}.stabilizationWindowSeconds`, window, 'must be between 0 and 3600');
    for (const { value, periodSeconds } of spec.behavior?.[direction]?.policies ?? []) {
      if (!(isCount(value) && value > 0))
        complain(`spec.behavior.${direction}.policies.value`, value, 'must be greater than zero');
      if (!(isCount(periodSeconds) && periodSeconds > 0 && periodSeconds <= 1800))
        complain(
          `spec.behavior.${direction}.policies.periodSeconds`,
          periodSeconds,
          'must be between 1 and 1800',
        );
    }
  }
}

function budget({ spec = {} }: V1PodDisruptionBudget, complain: Complain): void {
  const { minAvailable, maxUnavailable } = spec;
  if (minAvailable !== undefined && maxUnavailable !== undefined)
    complain('spec', spec, 'minAvailable and maxUnavailable cannot be both set');
  for (const [field, value] of Object.entries({ minAvailable, maxUnavailable }))
    if (value !== undefined && !isIntOrPercent(value))
      complain(`spec.${field}`, value, 'must be a count or a percentage');
}

const CHECKS: Readonly<Record<string, (object: never, complain: Complain, old?: never) => void>> = {
  Deployment: deployment,
  HorizontalPodAutoscaler: autoscaler,
  PodDisruptionBudget: budget,
  Pod: (pod: V1Pod, complain: Complain) => podSpec('spec', pod.spec, complain),
  Service: service,
};
