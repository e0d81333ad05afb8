import type { V1Container } from '@kubernetes/client-node';
import { describe, expect, it } from 'vitest';
import type { KubernetesBehaviour } from '../kubernetes-versions.ts';
import { withDefaults } from '../store/defaults.ts';
import {
  createKubelet,
  isReady,
  type KubeletConfig,
  type KubeletInput,
  type KubeletState,
  kubeletConfig,
  step,
  wakeAt,
} from './kubelet.ts';

/** Of a kubelet of 1.20, whose probes follow their ticks alone, unless said otherwise. */
const config = (
  container: Partial<V1Container> = {},
  grace = 30,
  firstProbe: KubernetesBehaviour['firstProbe'] = 'random-part-of-period',
): KubeletConfig =>
  kubeletConfig(
    withDefaults({
      kind: 'Pod',
      metadata: { name: 'pod' },
      spec: { terminationGracePeriodSeconds: grace, containers: [{ name: 'c', image: 'i', ...container }] },
    }),
    { firstProbe },
  );

const http = { httpGet: { path: '/readyz', port: 8081 } };

/** Plays a pod in time: answers probes as told, and keeps what the kubelet did with when. */
class Player {
  readonly config: KubeletConfig;
  state: KubeletState;
  now = 0;
  healthy: Record<string, boolean> = { readiness: true, liveness: true, startup: true };
  readonly did: string[] = [];

  constructor(given: KubeletConfig, phase = 0) {
    this.config = given;
    this.state = createKubelet(given, () => phase, 0);
  }

  feed(input: KubeletInput): this {
    const { state, actions } = step(this.config, this.state, input, this.now);
    this.state = state;
    for (const action of actions) {
      const what = action.do === 'probe' ? action.probe : action.do === 'signal' ? action.signal : action.do;
      this.did.push(`${this.now / 1000} ${what}`);
      if (action.do === 'probe')
        this.feed({ type: 'probed', probe: action.probe, ok: this.healthy[action.probe] ?? true });
    }
    return this;
  }

  until(time: number): this {
    for (;;) {
      const due = wakeAt(this.state);
      if (due === undefined || due > time) break;
      this.now = Math.max(this.now, due);
      this.feed({ type: 'time' });
    }
    this.now = time;
    return this;
  }
}

it('reads the real defaults: period 10 s, timeout 1 s, one success, three failures, 30 s of grace', () => {
  expect(config({ readinessProbe: http })).toEqual({
    grace: 30_000,
    preStop: { kind: 'none' },
    probes: {
      readiness: {
        path: '/readyz',
        port: 8081,
        initialDelay: 0,
        period: 10_000,
        timeout: 1000,
        successThreshold: 1,
        failureThreshold: 3,
      },
    },
    restarts: true,
  });
});

it('reads every form of preStop hook', () => {
  const read = (preStop: NonNullable<V1Container['lifecycle']>['preStop']) =>
    config({ lifecycle: preStop ? { preStop } : {} }).preStop;
  expect(read({ exec: { command: ['sleep', '5'] } })).toEqual({ kind: 'sleep', for: 5000 });
  expect(read({ exec: { command: ['/bin/sh', '-c', 'sleep 1.5'] } })).toEqual({ kind: 'sleep', for: 1500 });
  expect(read({ sleep: { seconds: 7 } })).toEqual({ kind: 'sleep', for: 7000 });
  expect(read({ httpGet: { path: '/bye', port: 81 } })).toEqual({ kind: 'http', path: '/bye', port: 81 });
  expect(read({ exec: { command: ['nginx', '-s', 'quit'] } })).toEqual({ kind: 'unknown' });
});

describe('probes', () => {
  it('tick in the phase that was drawn when the pod was first seen, and only once the container runs', () => {
    const pod = new Player(config({ readinessProbe: http }), 3000);
    pod.until(15_000).feed({ type: 'started' });
    expect(isReady(pod.state)).toBe(false);
    pod.until(40_000);
    expect(pod.did).toEqual(['23 readiness', '33 readiness']);
    expect(isReady(pod.state)).toBe(true);
  });

  it('wait for initialDelaySeconds after the start', () => {
    const pod = new Player(config({ readinessProbe: { ...http, initialDelaySeconds: 12 } }));
    pod.feed({ type: 'started' }).until(25_000);
    expect(pod.did).toEqual(['20 readiness']);
  });

  it('readiness turns after three failures in a row, and back after one success', () => {
    const pod = new Player(config({ readinessProbe: http }), 1000).feed({ type: 'started' }).until(5000);
    expect(isReady(pod.state)).toBe(true);
    pod.healthy.readiness = false;
    expect(isReady(pod.until(30_999).state)).toBe(true);
    expect(isReady(pod.until(31_000).state)).toBe(false);
    pod.healthy.readiness = true;
    expect(isReady(pod.until(41_000).state)).toBe(true);
  });

  it('without a readiness probe a running container is ready', () => {
    expect(isReady(new Player(config()).feed({ type: 'started' }).state)).toBe(true);
  });

  it('a failed liveness probe stops the container with its grace period, and it is started again', () => {
    const pod = new Player(config({ livenessProbe: http })).feed({ type: 'started' }).until(5000);
    pod.healthy.liveness = false;
    pod.until(35_000);
    expect(pod.did.slice(-2)).toEqual(['30 liveness', '30 SIGTERM']);
    pod.until(61_000);
    expect(pod.did.at(-1)).toBe('60 SIGKILL');
    pod.feed({ type: 'exited' }).until(61_000);
    expect(pod.did.at(-1)).toBe('61 start');
    expect(pod.state.restarts).toBe(1);
    pod.healthy.liveness = true;
    pod.feed({ type: 'started' }).until(75_000);
    expect(pod.did.at(-1)).toBe('70 liveness');
  });

  it('a startup probe holds back the others until it has succeeded', () => {
    const pod = new Player(config({ startupProbe: http, readinessProbe: http, livenessProbe: http }));
    pod.healthy.startup = false;
    pod.feed({ type: 'started' }).until(15_000);
    pod.healthy.startup = true;
    pod.until(35_000);
    expect(pod.did).toEqual([
      '0 startup',
      '10 startup',
      '20 startup',
      '20 readiness',
      '20 liveness',
      '30 readiness',
      '30 liveness',
    ]);
  });
});

describe('since 1.21 the readiness probe', () => {
  const triggered = (container: Partial<V1Container>, phase = 0) =>
    new Player(config(container, 30, 'triggered'), phase);
  const start = (pod: Player, noticedAfter = 700) => pod.feed({ type: 'started', noticedAfter });

  it('runs as soon as the kubelet sees the container, between two ticks, which keep their phase', () => {
    const pod = triggered({ readinessProbe: http, livenessProbe: http });
    pod.until(12_000);
    start(pod).until(12_700);
    expect(isReady(pod.state)).toBe(true);
    pod.until(31_000);
    expect(pod.did).toEqual(['12.7 readiness', '20 readiness', '20 liveness', '30 readiness', '30 liveness']);
  });

  it('that finds nobody ready runs again at the tick and no sooner', () => {
    const pod = triggered({ readinessProbe: http });
    pod.healthy.readiness = false;
    start(pod.until(2000)).until(9000);
    pod.healthy.readiness = true;
    expect(isReady(pod.state)).toBe(false);
    expect(isReady(pod.until(10_000).state)).toBe(true);
    expect(pod.did).toEqual(['2.7 readiness', '10 readiness']);
  });

  it('still waits for initialDelaySeconds', () => {
    const pod = start(triggered({ readinessProbe: { ...http, initialDelaySeconds: 12 } })).until(25_000);
    expect(pod.did).toEqual(['20 readiness']);
  });

  it('runs at once when the startup probe has passed', () => {
    const pod = triggered({ startupProbe: http, readinessProbe: { ...http, periodSeconds: 60 } });
    start(pod.until(1000)).until(10_000);
    expect(pod.did).toEqual(['10 startup', '10 readiness']);
    expect(isReady(pod.state)).toBe(true);
  });

  it('runs once more when it has failed for good, as the status that says so is written', () => {
    const pod = start(triggered({ readinessProbe: http }).until(1000), 0).until(5000);
    pod.healthy.readiness = false;
    pod.until(39_000);
    expect(pod.did).toEqual(['1 readiness', ...[10, 20, 30, 30].map((at) => `${at} readiness`)]);
    expect(isReady(pod.state)).toBe(false);
  });

  it('runs as soon in a container that was started again', () => {
    const pod = start(triggered({ readinessProbe: http }).until(1000)).until(3000);
    pod.feed({ type: 'exited' }).until(3000);
    start(pod).until(3700);
    expect(pod.did).toEqual(['1.7 readiness', '3 start', '3.7 readiness']);
  });
});

describe('termination', () => {
  const sleeping = (seconds: number, grace: number) =>
    new Player(
      config(
        { lifecycle: { preStop: { sleep: { seconds } } }, readinessProbe: http, livenessProbe: http },
        grace,
      ),
      9000,
    )
      .feed({ type: 'started' })
      .until(10_000);
  const remove = (pod: Player) => pod.feed({ type: 'delete', grace: pod.config.grace });
  const signals = (pod: Player) => pod.did.filter((what) => /SIG|preStop/.test(what));

  it('runs the hook, then SIGTERM, then SIGKILL with what the hook left of the grace period', () => {
    const pod = remove(sleeping(5, 20)).until(15_400).feed({ type: 'preStopped' }).until(60_000);
    expect(signals(pod)).toEqual(['10 preStop', '15.4 SIGTERM', '30.4 SIGKILL']);
  });

  it('gives at least 2 s after a hook that used up the grace period', () => {
    const pod = remove(sleeping(60, 20)).until(60_000);
    expect(signals(pod)).toEqual(['10 preStop', '30 SIGTERM', '32 SIGKILL']);
  });

  it('goes on asking for readiness but no longer for liveness, and stays ready until the process is gone', () => {
    const pod = remove(sleeping(60, 30)).until(25_000);
    expect(isReady(pod.state)).toBe(true);
    expect(pod.did.filter((what) => what.includes('ness'))).toEqual([
      '9 readiness',
      '9 liveness',
      '19 readiness',
    ]);
    pod.feed({ type: 'exited' });
    expect([isReady(pod.state), pod.state.stage]).toEqual([false, 'gone']);
  });

  it('a second deletion can only shorten the grace period', () => {
    const pod = remove(new Player(config({}, 300)).feed({ type: 'started' })).until(1000);
    pod.feed({ type: 'delete', grace: 10_000 }).feed({ type: 'delete', grace: 500_000 }).until(400_000);
    expect(signals(pod)).toEqual(['0 SIGTERM', '11 SIGKILL']);
  });

  it('a pod that waits for its restart is gone at once', () => {
    const pod = new Player(config()).feed({ type: 'started' }).feed({ type: 'exited' });
    expect(remove(pod).state.stage).toBe('gone');
  });
});

it('restarts are put off by 10 s, 20 s, up to 5 min, and forgotten after 10 minutes without one', () => {
  const pod = new Player(config());
  const waits: number[] = [];
  for (let crash = 0; crash < 8; crash++) {
    pod.feed({ type: 'started' }).feed({ type: 'exited' });
    waits.push((pod.state.due ?? 0) - pod.now);
    pod.until(pod.state.due ?? 0);
  }
  expect(waits).toEqual([0, 10_000, 20_000, 40_000, 80_000, 160_000, 300_000, 300_000]);
  pod
    .feed({ type: 'started' })
    .until(pod.now + 600_001)
    .feed({ type: 'exited' });
  expect(pod.state.due).toBe(pod.now);
});

it('a pod with restartPolicy Never is finished when its process is', () => {
  const given = { ...config(), restarts: false };
  expect(new Player(given).feed({ type: 'started' }).feed({ type: 'exited' }).state.stage).toBe('finished');
});
