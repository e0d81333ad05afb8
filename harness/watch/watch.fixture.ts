import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { analyze, type CellResult } from '../analyses/analyze.ts';
import type { Axes } from '../contracts/axes.ts';
import { defaultAxes } from '../contracts/axes.ts';
import type { CellHeader, Event, Timed } from '../contracts/event.ts';
import { Gateway } from '../gateway/gateway.ts';
import { ScaledClock } from '../time/scaled-clock.ts';
import type { TargetOptions } from './target.ts';
import { type WatchOptions, watch } from './watch.ts';

/** Model milliseconds a real one. */
export const SPEED = 20;

/** A gateway as a test wants it; the built-in one, in this process. */
export async function testGateway(options: { version?: string; pod?: string; port?: number } = {}) {
  const timers = new ScaledClock(1);
  const gateway = new Gateway({
    version: options.version ?? 'v1',
    pod: options.pod ?? 'pod-a',
    node: undefined,
    port: options.port ?? 0,
    adminPort: 0,
    drain: 'close-all',
    drainOver: 0,
    closeTimeout: 200,
    now: () => timers.now(),
    after: (delay, fire) => void timers.after(delay, fire),
    log: () => {},
    exit: () => {},
  });
  const { port } = await gateway.listen();
  return { gateway, port };
}

export const targetOf = (url: string, more: Partial<TargetOptions> = {}): TargetOptions => ({
  url: new URL(url),
  resolve: async () => ['127.0.0.1'],
  ttl: 60_000,
  speech: undefined,
  processes: 0,
  ...more,
});

/** One cell as it was logged. */
export interface Logged {
  readonly header: CellHeader;
  readonly events: readonly Timed[];
  readonly result: CellResult;
}

/** Watches, with time that runs faster, and gives the cells that came of it. */
export async function watched(
  options: Pick<WatchOptions, 'target' | 'releases'> & Partial<WatchOptions> & { axes?: Partial<Axes> },
): Promise<{ outcome: string; cells: Logged[]; events: Event[] }> {
  const folder = mkdtempSync(join(tmpdir(), 'onedrop-watch-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const events: Event[] = [];
  const axes = defaultAxes({ clients: 40, backoff: 5000, heartbeat: 20_000, ...options.axes });
  const outcome = await watch({
    info: { id: 't', startedAt: '', command: '', machine: '', onedrop: '', commit: '', seed: 1 },
    versions: {},
    log: join(folder, 'events.jsonl'),
    clock: new ScaledClock(SPEED),
    axesOf: () => axes,
    calm: 2000,
    settle: 1000,
    patience: 60_000,
    stop: new AbortController().signal,
    signal: new AbortController().signal,
    facts: {},
    watch() {},
    ...options,
    observed(event) {
      events.push(event);
      options.observed?.(event);
    },
  });
  const cells: { header: CellHeader; events: Timed[] }[] = [];
  for (const event of events) {
    if (event.type === 'cell') cells.push({ header: event.cell, events: [] });
    else if ('at' in event) cells.at(-1)?.events.push(event);
  }
  return {
    outcome,
    events,
    cells: cells.map((cell) => ({ ...cell, result: analyze(cell.header, cell.events) })),
  };
}
