import type {
  V2HorizontalPodAutoscaler,
  V2HorizontalPodAutoscalerSpec,
  V2MetricSpec,
} from '@kubernetes/client-node';
import { AXES, type Axes } from '../harness/contracts/axes.ts';
import { ofPodsPerTime } from '../harness/contracts/axis-kinds.ts';
import type { Stage, Strategy } from '../harness/contracts/scenario.ts';
import type { Millis } from '../harness/time/duration.ts';
import { CALM_UTILIZATION } from '../harness/workload/workload.ts';
import { readinessFail, unready } from './readiness-fail.ts';
import { rollingUpdate } from './rolling-update.ts';
import { selectorFlip } from './selector-flip.ts';
import { bringIn, drain, select, serveV1 } from './two-deployments.ts';

const AUTOSCALER = 'gateway';

/** What the autoscaler is told. */
const HPA_AXES = [
  'hpaDuring',
  'hpaMetric',
  'hpaMin',
  'hpaMax',
  'hpaDownWindow',
  'hpaDownPolicy',
  'hpaTolerance',
] as const;

/** As long a pod counts as initialising (FACTS E). */
const INITIALIZATION: Millis = 300_000;
/** A sync, a scrape before it, and an ending after it. */
const REACTION: Millis = 60_000;

/** What happens while the autoscaler watches. */
interface Situation {
  /** The Deployment that it scales: the one that serves v1. */
  readonly target: string;
  readonly builtOn: Pick<Strategy, 'prepare' | 'rollback'>;
  happen(stage: Stage): Promise<void>;
  /** How long what happened goes on by itself. */
  lasts(axes: Axes): Millis;
}

const SITUATIONS: Readonly<Record<Axes['hpaDuring'], Situation>> = {
  'readiness-fail': {
    target: 'gateway-v1',
    builtOn: readinessFail,
    async happen(stage) {
      await stage.step('v2 beside v1', () => bringIn(stage, 'v2'));
      await stage.step('v1 fails readiness', () => unready(stage, 'v1'), { cutOver: true });
    },
    lasts: () => 0,
  },
  'rolling-update': {
    target: 'gateway',
    builtOn: rollingUpdate,
    happen: (stage) => rollingUpdate.release(stage),
    lasts: ({ backoff }) => backoff,
  },
  'selector-flip': {
    target: 'gateway-v1',
    builtOn: selectorFlip,
    async happen(stage) {
      await stage.step('v2 beside v1', () => bringIn(stage, 'v2'));
      await stage.step('selector to v2', () => select(stage, 'v2'), { cutOver: true });
      await stage.step('v1 drains', () => drain(stage, 'v1', stage.axes.drainOver));
    },
    lasts: ({ drainOver }) => drainOver,
  },
  storm: {
    target: 'gateway-v1',
    builtOn: {
      prepare: (stage) => serveV1(stage),
      rollback: (stage) => stage.step('v1 back at full size', () => bringIn(stage, 'v1')),
    },
    async happen(stage) {
      await stage.step('all connections are closed', () => drain(stage, 'v1', 0), { fault: true });
    },
    lasts: ({ backoff }) => backoff,
  },
};

/**
 * Not a way to release but what the HorizontalPodAutoscaler makes of one. It scales the Deployment that serves v1, by
 * `--hpa-metric`, and comes to rest; then, as `--hpa-during` says:
 *
 * `readiness-fail`: v1's pods fail their readinessProbe on purpose and keep their clients. By CPU nothing happens: who
 * has been ready once counts with its CPU for good (only in a pod's first 5 minutes does readiness matter). A metric
 * with target `Value` is multiplied by the READY pods instead: it asks for none, and 5 minutes later all of v1 but
 * minReplicas is deleted with the clients it holds, first the pods that are not ready. `AverageValue` divides by the
 * replicas there are, so nothing happens.
 * `rolling-update`: pods of both versions count, those that are being deleted do not, and new ones not by CPU until
 * they have been ready for a whole sample. Clients that are away weigh nothing, so with a back-off beyond 5 minutes the
 * new version shrinks just before they come back; shorter ones return as in a storm.
 * `selector-flip`: v2 takes the new connections, v1 asks its clients to go, evenly over `--drain-over`, and nobody scales
 * it down but the autoscaler: each step comes 5 minutes after the load has fallen, and takes a pod with the clients
 * that had not been asked yet. Pin minReplicas or delete the autoscaler before draining.
 * `storm`: every connection is closed at once. The clients come back with handshakes, which cost more than the pings
 * they replace (`--handshake-cpu`): it scales up while they do, and down again 5 minutes later. First go the pods
 * that share a node, then the newest, and with them clients who have only just come back: dropped twice.
 *
 * `--hpa-down-policy` bounds what scaling down costs: k pods in a time lose at most k times the fullest pod's clients in
 * any such time, however many pods are to go; `--hpa-down-window` says how long their load must have been gone.
 *
 * Targets leave half a pod of room, so that it rests at `--pods`; with 5 pods and more that is within its tolerance
 * of 10 %, and a Value target does nothing until so many clients have left. Needs a metrics-server, and for External
 * metrics an adapter. Look at it before an autoscaler is left on during a release.
 */
export const hpa: Strategy = {
  name: 'hpa',
  kind: 'experiment',
  question:
    'What does a HorizontalPodAutoscaler do when readiness fails on purpose, during a rolling update, while an old Deployment drains, and in a reconnect storm?',
  needs: ['autoscaler'],
  requires: () => [],
  heeds: [...HPA_AXES, 'maxSurge', 'maxUnavailable', 'ask'],
  defaults: {
    hpaDuring: 'readiness-fail,rolling-update,selector-flip,storm',
    pods: '4',
    drainOver: '20m',
    handshakeCpu: '5ms',
    messageCpu: '1ms',
  },
  prepare: async (stage) => situation(stage).builtOn.prepare?.(stage),
  async release(stage) {
    const { target, happen, lasts } = situation(stage);
    await stage.step('the autoscaler comes to rest', async () => {
      await stage.kube.apply(autoscaler(target, stage.axes));
      await stage.sleep(Math.max(INITIALIZATION, stage.axes.hpaDownWindow) + REACTION);
    });
    await happen(stage);
    const { axes } = stage;
    await stage.step('watch', () =>
      stage.sleep(
        lasts(axes) +
          Math.max(INITIALIZATION, axes.hpaDownWindow) +
          shrinking(axes) +
          REACTION +
          axes.grace +
          2 * axes.heartbeat,
      ),
    );
  },
  async rollback(stage) {
    await stage.step('the autoscaler is removed', () =>
      stage.kube.delete('HorizontalPodAutoscaler', AUTOSCALER),
    );
    await situation(stage).builtOn.rollback(stage);
  },
};

const situation = ({ axes }: Stage) => SITUATIONS[axes.hpaDuring];

function autoscaler(target: string, axes: Axes): V2HorizontalPodAutoscaler {
  return {
    apiVersion: 'autoscaling/v2',
    kind: 'HorizontalPodAutoscaler',
    metadata: { name: AUTOSCALER, labels: { app: 'gateway' } },
    spec: {
      scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: target },
      minReplicas: axes.hpaMin,
      maxReplicas: axes.hpaMax,
      metrics: [metric(target, axes)],
      ...behavior(axes),
    },
  };
}

/** Nothing where all is as it is by itself: an autoscaler without behaviour has limits of its own. */
function behavior(axes: Axes): Pick<V2HorizontalPodAutoscalerSpec, 'behavior'> {
  const isDefault = (name: (typeof HPA_AXES)[number]) =>
    axes[name] === AXES[name].schema.parse(AXES[name].fallback);
  if (isDefault('hpaDownWindow') && isDefault('hpaDownPolicy') && isDefault('hpaTolerance')) return {};
  const { pods, isPercent, time } = ofPodsPerTime(axes.hpaDownPolicy);
  const own = isDefault('hpaTolerance')
    ? {}
    : { tolerance: `${Math.round(10 * Number.parseFloat(axes.hpaTolerance))}m` };
  return {
    behavior: {
      scaleUp: own,
      scaleDown: {
        ...own,
        stabilizationWindowSeconds: Math.ceil(axes.hpaDownWindow / 1000),
        policies: [
          { type: isPercent ? 'Percent' : 'Pods', value: pods, periodSeconds: Math.ceil(time / 1000) },
        ],
      },
    },
  };
}

/** How long it may go on to scale down from what there is by itself. */
function shrinking({ hpaDownPolicy, pods: all, hpaMin }: Axes): Millis {
  const { pods, isPercent, time } = ofPodsPerTime(hpaDownPolicy);
  let periods = 0;
  for (let left = all; left > hpaMin; periods++) left -= isPercent ? Math.ceil((left * pods) / 100) : pods;
  return Math.max(0, periods - 1) * time;
}

/** Calm asks for half a pod less than there are, which rounds up to all of them: as far from one change as from the other. */
function metric(target: string, { hpaMetric, pods, clients }: Axes): V2MetricSpec {
  const share = (pods - 0.5) / pods;
  if (hpaMetric === 'cpu')
    return {
      type: 'Resource',
      resource: {
        name: 'cpu',
        target: { type: 'Utilization', averageUtilization: Math.round((100 * CALM_UTILIZATION) / share) },
      },
    };
  const connections = (quantity: number) => `${Math.ceil((1000 * quantity) / share)}m`;
  return {
    type: 'External',
    external: {
      metric: { name: 'connections', selector: { matchLabels: { app: 'gateway', release: target } } },
      target:
        hpaMetric === 'connections-value'
          ? { type: 'Value', value: connections(clients) }
          : { type: 'AverageValue', averageValue: connections(clients / pods) },
    },
  };
}
