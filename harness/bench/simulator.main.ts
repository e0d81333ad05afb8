/**
 * `npm run bench`: what the simulator costs and how that grows with clients. Plays selector-flip with 10 k, 100 k
 * and 1 M clients for 30 model minutes, each in a process of its own, beside a bare loop of the same heartbeats
 * on the same clock, in the same run.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { takeScratch } from '../../clusters/kubernetes/lease/scratch.ts';
import { sim } from '../../clusters/sim/sim.ts';
import { selectorFlip } from '../../scenarios/selector-flip.ts';
import { cellAnalysis } from '../analyses/analyze.ts';
import { defaultAxes } from '../contracts/axes.ts';
import type { Strategy } from '../contracts/scenario.ts';
import { EventLog } from '../log/event-log.ts';
import { play } from '../run/play.ts';
import { ScaledClock } from '../time/scaled-clock.ts';
import { VirtualClock } from '../time/virtual-clock.ts';
import { benchTable } from './bench-table.ts';

interface Figures {
  readonly clients: number;
  readonly seconds: number;
  readonly bareSeconds: number;
  readonly megabytes: number;
  readonly logMegabytes: number;
  readonly modelMinutes: number;
  readonly dropped: number;
}

const SIZES = [10_000, 100_000, 1_000_000];
const MODEL_MINUTES = 30;

/** selector-flip, kept going until 30 model minutes are over. */
const halfHour: Strategy = {
  ...selectorFlip,
  async release(stage) {
    await selectorFlip.release(stage);
    await stage.sleep(21 * 60_000);
  },
};

async function measure(clients: number, directory: string): Promise<Figures> {
  const wall = new ScaledClock(1);
  // Ten pods: with Cluster policy MASQUERADE has 64,512 source ports for each node and endpoint.
  const axes = defaultAxes({ clients, pods: 10 });
  const path = join(directory, `${clients}.jsonl`);
  try {
    let begun = wall.now();
    const log = new EventLog(path, 1 << 18);
    let analysis: ReturnType<typeof cellAnalysis> | undefined;
    let end = 0;
    await play(
      { id: 'bench', strategy: halfHour, provider: sim, axes, seed: 1 },
      {
        name: 'bench',
        directory,
        signal: new AbortController().signal,
        audience: { watch: () => {} },
        record(event) {
          log.append(event);
          if (event.type === 'cell') analysis = cellAnalysis(event.cell);
          else if ('at' in event) {
            end = event.at;
            analysis?.fold(event);
          }
        },
      },
    );
    log[Symbol.dispose]();
    const dropped = analysis?.result().document.dropped ?? 0;
    const seconds = (wall.now() - begun) / 1000;
    const megabytes = process.resourceUsage().maxRSS / 1024;
    begun = wall.now();
    await bareLoop(clients, axes.heartbeat, end);
    return {
      clients,
      seconds,
      bareSeconds: (wall.now() - begun) / 1000,
      megabytes,
      logMegabytes: statSync(path).size / 1e6,
      modelMinutes: end / 60_000,
      dropped,
    };
  } finally {
    rmSync(path);
  }
}

/** The same number of timers on the same clock, and nothing else: what no simulator of heartbeats can undercut. */
async function bareLoop(clients: number, heartbeat: number, until: number): Promise<void> {
  const clock = new VirtualClock();
  for (let client = 0; client < clients; client++) {
    const beat = () => void clock.after(heartbeat, beat);
    clock.after((client * 7919) % heartbeat, beat);
  }
  await clock.run(() => clock.sleep(until));
}

async function main(): Promise<void> {
  const table = benchTable([
    'clients',
    'seconds',
    'bare loop',
    'ratio',
    'us/client',
    'peak MB',
    'log MB',
    'model min',
    'dropped',
  ]);
  await using scratch = await takeScratch(`bench-${process.pid}`);
  // The children are told as well, by the terminal or here, and their files are in the way of nobody any more.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.once(signal, () => {
      running?.kill();
      scratch.forget();
      process.kill(process.pid, signal);
    });
  for (const clients of SIZES) {
    process.stderr.write(`${clients.toLocaleString('en')} clients ...\n`);
    const { seconds, bareSeconds, megabytes, logMegabytes, modelMinutes, dropped } = await inProcess(
      clients,
      scratch.directory,
    );
    table.push([
      clients.toLocaleString('en'),
      seconds.toFixed(1),
      bareSeconds.toFixed(1),
      (seconds / bareSeconds).toFixed(1),
      ((1e6 * seconds) / clients).toFixed(0),
      megabytes.toFixed(0),
      logMegabytes.toFixed(0),
      modelMinutes.toFixed(1),
      dropped.toLocaleString('en'),
    ]);
  }
  process.stdout.write(
    `selector-flip on the simulator, at least ${MODEL_MINUTES} model minutes; goal: 100,000 clients in under 10 s and 1 GB\n${table}\n`,
  );
}

let running: ChildProcess | undefined;

const inProcess = (clients: number, directory: string) =>
  new Promise<Figures>((resolve, reject) => {
    const child = fork(import.meta.filename, [String(clients), directory]);
    running = child;
    child.once('message', (figures) => resolve(figures as Figures));
    child.once('exit', (code) =>
      reject(new Error(`the bench of ${clients} clients ended with exit code ${code}`)),
    );
  });

const [size, directory] = process.argv.slice(2);
if (size === undefined || directory === undefined) await main();
else {
  process.send?.(await measure(Number(size), directory));
  process.disconnect?.();
}
