import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { VerdictName } from '../../analyses/verdict.ts';
import type { ClientName, Event, Timed } from '../../contracts/event.ts';
import type { Millis } from '../../time/duration.ts';
import type { WatchState, WatchStatus } from '../watch.ts';
import type { Standing } from './standing.ts';

const STATES: readonly WatchState[] = ['connecting', 'calm', 'ready', 'releasing', 'settling', 'over'];
const VERDICTS: readonly VerdictName[] = ['pass', 'fail', 'unknown'];

/** Versions are words of the gateway's own: more than so many are one. */
const MOST_VERSIONS = 20;

/** Seconds. */
const HANDSHAKE = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const AWAY = [0.1, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 180, 240, 300, 600, 1800];

/** How a drop showed to the client: one of few words, the code of a close frame left out. */
const shownBy = (ending: Extract<Timed, { type: 'closed' }>['ending']) => ending.how;

/** A metric's value with its labels. */
export interface Sample {
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number;
}

/**
 * What a watch tells in numbers: clients by state and version, drops by cause and how, how often clients were dropped, how
 * long handshakes took and how long clients were away. Never a label a client.
 */
export class WatchMetrics {
  readonly registry = new Registry();
  private readonly standing: Standing;
  private status: WatchStatus | undefined;
  private readonly versions = new Set<string>();
  /** When a client that is away was last answered. */
  private readonly lost = new Map<ClientName, Millis>();
  private readonly onAway: ((seconds: number) => void)[] = [];
  private readonly onHandshake: ((seconds: number) => void)[] = [];
  private readonly disconnects: Counter<'how'>;
  private readonly refused: Counter;
  private readonly lag: Gauge;

  constructor(standing: Standing) {
    this.standing = standing;
    const registers = [this.registry];
    const gauge = <Label extends string>(
      name: string,
      help: string,
      labelNames: readonly Label[],
      samples: () => readonly Sample[],
    ) =>
      new Gauge({
        name: `onedrop_${name}`,
        help,
        labelNames: [...labelNames],
        registers,
        collect() {
          this.reset();
          for (const { labels, value } of samples()) this.set(labels as never, value);
        },
      });
    gauge('clients', 'Simulated clients by state.', ['state'], () => this.states());
    gauge('connections', 'Open connections by the version that the gateway says.', ['version'], () =>
      this.open(),
    );
    gauge(
      'drops',
      'Disconnects since the release began, by cause and how they showed.',
      ['cause', 'how'],
      () => this.drops(),
    );
    gauge(
      'clients_dropped',
      'Clients by how often they were dropped since the release began.',
      ['times'],
      () => this.times(),
    );
    gauge('background_disconnects', 'Disconnects before the release began.', [], () => [
      { labels: {}, value: this.standing.current()?.document.background?.disconnects ?? 0 },
    ]);
    gauge('watch_state', 'Where the watch is: 1 for its state.', ['state'], () =>
      STATES.map((state) => ({ labels: { state }, value: Number(state === this.standing.state) })),
    );
    gauge('verdict', 'The verdict of the moment: 1 for it.', ['verdict'], () => {
      const { verdict: now } = this.standing.document();
      return VERDICTS.map((verdict) => ({ labels: { verdict }, value: Number(verdict === now) }));
    });
    this.lag = new Gauge({
      name: 'onedrop_event_loop_lag_seconds',
      help: 'Worst lag of the harness in the last second.',
      registers,
    });
    this.disconnects = new Counter({
      name: 'onedrop_disconnects_total',
      help: 'Disconnects since the watch began, background included, by how they showed.',
      labelNames: ['how'],
      registers,
    });
    this.refused = new Counter({
      name: 'onedrop_refused_attempts_total',
      help: 'Attempts to connect that failed.',
      registers,
    });
    const handshake = new Histogram({
      name: 'onedrop_handshake_seconds',
      help: 'From dialling to the greeting.',
      buckets: HANDSHAKE,
      registers,
    });
    const away = new Histogram({
      name: 'onedrop_away_seconds',
      help: 'From the last answer on a connection to the next connection.',
      buckets: AWAY,
      registers,
    });
    this.onHandshake.push((seconds) => handshake.observe(seconds));
    this.onAway.push((seconds) => away.observe(seconds));
  }

  /** Tells each handshake and each time away to somebody else as well, in seconds. */
  also(listeners: { handshake(seconds: number): void; away(seconds: number): void }): void {
    this.onHandshake.push(listeners.handshake);
    this.onAway.push(listeners.away);
  }

  /** A connection opened so long after it was dialled. */
  handshake(took: Millis): void {
    for (const tell of this.onHandshake) tell(took / 1000);
  }

  observe(event: Event): void {
    if (!('at' in event)) return;
    switch (event.type) {
      case 'open': {
        const since = this.lost.get(event.client);
        if (since === undefined) return;
        this.lost.delete(event.client);
        for (const tell of this.onAway) tell((event.at - since) / 1000);
        return;
      }
      case 'closed':
        if (event.replaced === true) return;
        this.lost.set(event.client, event.lastAnswer);
        this.disconnects.inc({ how: shownBy(event.ending) });
        return;
      case 'refused':
        this.refused.inc();
        return;
      case 'harness':
        this.lag.set(event.lag / 1000);
    }
  }

  watch(status: WatchStatus): void {
    this.status = status;
  }

  states(): Sample[] {
    const { open = 0, away = 0, connecting = 0, givenUp = 0 } = this.status?.counts ?? {};
    const states = { open, away, connecting, given_up: givenUp };
    return Object.entries(states).map(([state, value]) => ({ labels: { state }, value }));
  }

  open(): Sample[] {
    const counts = new Map<string, number>();
    for (const [name, value] of this.status?.counts?.byVersion ?? []) {
      if (this.versions.size < MOST_VERSIONS) this.versions.add(name);
      const version = this.versions.has(name) ? name : 'other';
      counts.set(version, (counts.get(version) ?? 0) + value);
    }
    return [...counts].map(([version, value]) => ({ labels: { version }, value }));
  }

  drops(): Sample[] {
    const counts = new Map<string, Sample & { value: number }>();
    for (const { cause, showed } of this.standing.current()?.ledger.rows ?? []) {
      const [how = ''] = showed.split(' ');
      const sample = counts.get(`${cause} ${how}`) ?? { labels: { cause, how }, value: 0 };
      sample.value++;
      counts.set(`${cause} ${how}`, sample);
    }
    return [...counts.values()];
  }

  times(): Sample[] {
    const [none = 0, once = 0, ...more] = this.standing.current()?.fleet.disconnectsPerClient ?? [];
    const twice = more.reduce((sum, one) => sum + one, 0);
    return Object.entries({ '0': none, '1': once, '2+': twice }).map(([times, value]) => ({
      labels: { times },
      value,
    }));
  }
}
