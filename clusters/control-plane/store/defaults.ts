import type {
  KubernetesObject,
  V1Container,
  V1Deployment,
  V1Pod,
  V1PodSpec,
  V1PodTemplateSpec,
  V1Probe,
  V1ReplicaSet,
  V1Service,
  V2HorizontalPodAutoscaler,
} from '@kubernetes/client-node';

/** k8s pkg/apis/core/v1/defaults.go SetDefaults_Probe. */
const probe = (given: V1Probe): V1Probe => ({
  ...given,
  ...(given.httpGet
    ? {
        httpGet: {
          ...given.httpGet,
          path: given.httpGet.path ?? '/',
          scheme: given.httpGet.scheme ?? 'HTTP',
        },
      }
    : {}),
  timeoutSeconds: given.timeoutSeconds || 1,
  periodSeconds: given.periodSeconds || 10,
  successThreshold: given.successThreshold || 1,
  failureThreshold: given.failureThreshold || 3,
});

const PROBES = ['startupProbe', 'readinessProbe', 'livenessProbe'] as const;

function container(given: V1Container): V1Container {
  const latest = !/:[^/]+$|@/.test(given.image ?? '') || given.image?.endsWith(':latest');
  const defaulted: V1Container = {
    ...given,
    imagePullPolicy: given.imagePullPolicy ?? (latest ? 'Always' : 'IfNotPresent'),
    resources: given.resources ?? {},
    terminationMessagePath: given.terminationMessagePath ?? '/dev/termination-log',
    terminationMessagePolicy: given.terminationMessagePolicy ?? 'File',
  };
  if (given.ports)
    defaulted.ports = given.ports.map((port) => ({ ...port, protocol: port.protocol ?? 'TCP' }));
  for (const name of PROBES) if (given[name]) defaulted[name] = probe(given[name]);
  return defaulted;
}

const podSpec = (given: V1PodSpec | undefined): V1PodSpec => ({
  ...given,
  containers: (given?.containers ?? []).map(container),
  dnsPolicy: given?.dnsPolicy ?? 'ClusterFirst',
  restartPolicy: given?.restartPolicy ?? 'Always',
  schedulerName: given?.schedulerName ?? 'default-scheduler',
  securityContext: given?.securityContext ?? {},
  terminationGracePeriodSeconds: given?.terminationGracePeriodSeconds ?? 30,
});

const template = (given: V1PodTemplateSpec | undefined): V1PodTemplateSpec => ({
  ...given,
  spec: podSpec(given?.spec),
});

function pod(given: V1Pod): V1Pod {
  return { ...given, spec: podSpec(given.spec), status: given.status ?? { phase: 'Pending' } };
}

/** k8s pkg/apis/apps/v1/defaults.go SetDefaults_Deployment. */
function deployment(given: V1Deployment): V1Deployment {
  const type = given.spec?.strategy?.type ?? 'RollingUpdate';
  const rollingUpdate = given.spec?.strategy?.rollingUpdate;
  return {
    ...given,
    spec: {
      ...given.spec,
      replicas: given.spec?.replicas ?? 1,
      selector: given.spec?.selector ?? {},
      strategy: {
        type,
        ...(type === 'RollingUpdate'
          ? {
              rollingUpdate: {
                maxSurge: rollingUpdate?.maxSurge ?? '25%',
                maxUnavailable: rollingUpdate?.maxUnavailable ?? '25%',
              },
            }
          : rollingUpdate
            ? { rollingUpdate }
            : {}),
      },
      revisionHistoryLimit: given.spec?.revisionHistoryLimit ?? 10,
      progressDeadlineSeconds: given.spec?.progressDeadlineSeconds ?? 600,
      template: template(given.spec?.template),
    },
  };
}

function replicaSet(given: V1ReplicaSet): V1ReplicaSet {
  return {
    ...given,
    spec: {
      ...given.spec,
      replicas: given.spec?.replicas ?? 1,
      selector: given.spec?.selector ?? {},
      template: template(given.spec?.template),
    },
  };
}

/** k8s pkg/apis/core/v1/defaults.go SetDefaults_Service. */
function service(given: V1Service): V1Service {
  const type = given.spec?.type ?? 'ClusterIP';
  const external = type === 'NodePort' || type === 'LoadBalancer';
  const sessionAffinity = given.spec?.sessionAffinity ?? 'None';
  const { sessionAffinityConfig, ...spec } = given.spec ?? {};
  return {
    ...given,
    spec: {
      ...spec,
      type,
      sessionAffinity,
      ...(sessionAffinity === 'ClientIP'
        ? {
            sessionAffinityConfig: {
              clientIP: { timeoutSeconds: sessionAffinityConfig?.clientIP?.timeoutSeconds ?? 10_800 },
            },
          }
        : {}),
      internalTrafficPolicy: given.spec?.internalTrafficPolicy ?? 'Cluster',
      ipFamilyPolicy: given.spec?.ipFamilyPolicy ?? 'SingleStack',
      ipFamilies: given.spec?.ipFamilies ?? ['IPv4'],
      ...(external ? { externalTrafficPolicy: given.spec?.externalTrafficPolicy ?? 'Cluster' } : {}),
      ...(type === 'LoadBalancer'
        ? { allocateLoadBalancerNodePorts: given.spec?.allocateLoadBalancerNodePorts ?? true }
        : {}),
      ports: (given.spec?.ports ?? []).map((port) => ({
        ...port,
        protocol: port.protocol ?? 'TCP',
        targetPort: port.targetPort ?? port.port,
      })),
    },
  };
}

/** k8s pkg/apis/autoscaling/v2/defaults.go: behaviour is filled in only where the user gave any. */
function autoscaler(given: V2HorizontalPodAutoscaler): V2HorizontalPodAutoscaler {
  const spec = given.spec;
  if (spec === undefined) return given;
  const { behavior } = spec;
  return {
    ...given,
    spec: {
      ...spec,
      minReplicas: spec.minReplicas ?? 1,
      metrics: spec.metrics ?? [
        {
          type: 'Resource',
          resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 80 } },
        },
      ],
      ...(behavior
        ? {
            behavior: {
              scaleUp: {
                stabilizationWindowSeconds: 0,
                selectPolicy: 'Max',
                policies: [
                  { type: 'Pods', value: 4, periodSeconds: 15 },
                  { type: 'Percent', value: 100, periodSeconds: 15 },
                ],
                ...behavior.scaleUp,
              },
              scaleDown: {
                selectPolicy: 'Max',
                policies: [{ type: 'Percent', value: 100, periodSeconds: 15 }],
                ...behavior.scaleDown,
              },
            },
          }
        : {}),
    },
  };
}

const DEFAULTS: Readonly<Record<string, (object: never) => KubernetesObject>> = {
  Deployment: deployment,
  HorizontalPodAutoscaler: autoscaler,
  Pod: pod,
  ReplicaSet: replicaSet,
  Service: service,
};

/** The object with the API's own defaults filled in, as it would be stored. Defaulting twice changes nothing. */
export function withDefaults<T extends KubernetesObject>(object: T): T {
  const defaulter = DEFAULTS[object.kind ?? ''];
  return defaulter === undefined ? object : (defaulter(object as never) as T);
}
