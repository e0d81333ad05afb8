import { lookup } from 'node:dns/promises';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PROVIDERS } from '../../../clusters/index.ts';
import { resultDocument, runVerdict } from '../../../reports/result/result-document.ts';
import { RunReader } from '../../../reports/stored/stored-run.ts';
import { resultTable } from '../../../reports/terminal.ts';
import { writeReports } from '../../../reports/write-reports.ts';
import { STRATEGIES } from '../../../scenarios/index.ts';
import type { Provider } from '../../contracts/cluster.ts';
import { InterruptedError, UsageError } from '../../errors.ts';
import { ScaledClock } from '../../time/scaled-clock.ts';
import { openDoor } from '../../watch/doors/door.ts';
import { WatchMetrics } from '../../watch/doors/metrics.ts';
import { sendOtlp, wantsOtlp } from '../../watch/doors/otlp.ts';
import { Standing } from '../../watch/doors/standing.ts';
import { foretellWatched } from '../../watch/foretell-watched.ts';
import {
  AnnouncedReleases,
  CommandRelease,
  type Releases,
  shownCommand,
  WatchedTime,
} from '../../watch/releases.ts';
import { shownUrl } from '../../watch/target.ts';
import { watch } from '../../watch/watch.ts';
import { EXIT, INTERRUPTS, print, say } from '../exit.ts';
import { createWatchProgress } from '../live/watch-progress.ts';
import { configured } from '../options.ts';
import { RUNS, runInfo, VERSIONS } from '../run-info.ts';
import { shownPath, typedFolder, typedPath } from '../typed-path.ts';
import { planWatch, type WatchPlan } from './plan-watch.ts';
import type { WatchTyped } from './watch-options.ts';

/** `onedrop watch`: clients before somebody's gateway while somebody releases, and what that did to them. */
export async function watchVerb(url: string, command: string[], typed: WatchTyped): Promise<void> {
  const plan = await planWatch(url, command, typed);
  const { target, seed } = plan;
  const info = runInfo(seed, shownInvocation(target.url, command));
  const directory = typed.out === undefined ? join(RUNS, info.id) : typedPath(typed.out);
  const looker = plan.looks ? await usable(typed) : undefined;
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, 'run.json'), `${JSON.stringify(info, null, 2)}\n`);
  say(`onedrop run ${info.id}, seed ${info.seed}, commit ${info.commit}`);
  for (const note of plan.notes) say(note);
  const progress = createWatchProgress(process.stderr);
  const announced = new AnnouncedReleases(plan.most);
  const isCommand = command.length > 0;
  using asked = interrupts(plan, isCommand, directory);
  const { stop, signal } = asked;
  const isSeen = plan.looks && !typed.gate && !isCommand;
  const releases: Releases = isCommand
    ? new CommandRelease(command, {
        file: join(directory, 'command.log'),
        cwd: typedFolder(),
        env: process.env,
        signal,
        tell: (_stream, text) => progress.pass(text),
      })
    : isSeen || typed.gate
      ? announced
      : new WatchedTime();
  const reader = new RunReader();
  const clock = new ScaledClock(1);
  const standing = new Standing(clock);
  const metrics = new WatchMetrics(standing);
  await using _door = await doorOf(plan, { standing, metrics, releases: typed.gate ? announced : undefined });
  await using _otlp = wantsOtlp(process.env) ? sendOtlp(metrics, process.env) : undefined;
  const predictor = typed.predict ? PROVIDERS.sim : undefined;
  const watching = watch({
    ...plan,
    target: {
      ...target,
      resolve: async (host) => (await lookup(host, { all: true })).map(({ address }) => address),
      handshake: (took) => metrics.handshake(took),
    },
    info,
    versions: VERSIONS,
    log: join(directory, 'events.jsonl'),
    clock,
    releases,
    facts: { url: shownUrl(target.url) },
    ...(looker === undefined ? {} : { observe: (context) => looker(context) }),
    rollout: (seen) => {
      if (!isSeen) return;
      if (seen.edge === 'begin') announced.begin('rollout');
      else announced.end(seen.failed === undefined ? {} : { failed: seen.failed });
    },
    ...(predictor === undefined
      ? {}
      : {
          foretell: (cell, seen, rollbackAfter) =>
            foretellWatched(cell, seen, rollbackAfter, { predictor, strategies: STRATEGIES, signal }),
        }),
    stop,
    signal,
    watch: (status) => {
      if (status.state === 'ready') asked.begin();
      standing.watch(status);
      metrics.watch(status);
      progress.watch(status);
    },
    observed: (event) => {
      standing.observe(event);
      metrics.observe(event);
      reader.add(event);
    },
  });
  // Where nothing could begin, nothing is left that another try would stumble over.
  const outcome = await watching.catch((error) => {
    if (error instanceof UsageError) rmSync(directory, { recursive: true });
    throw error;
  });
  progress.end();
  const stored = reader.result(info);
  const files = await writeReports(stored, directory);
  if (typed.format === 'json') print(JSON.stringify(resultDocument(stored), null, 2));
  else print(`${resultTable(stored)}\n\n${files.map(shownPath).join('\n')}`);
  process.exitCode = outcome === 'broken' ? EXIT.broken : EXIT[runVerdict(stored)];
}

/** The door, where one was asked for; says where it is. @throws UsageError where nobody can listen there. */
async function doorOf({ listen }: WatchPlan, parts: Omit<Parameters<typeof openDoor>[0], 'host' | 'port'>) {
  if (listen === undefined) return undefined;
  try {
    const door = await openDoor({ ...listen, ...parts });
    say(`/metrics, /verdict and /gate at ${door.url}`);
    return door;
  } catch (error) {
    throw new UsageError([`--listen ${listen.host}:${listen.port}: ${(error as Error).message}`]);
  }
}

/** The command to run it again, without what may be a secret: headers' values, the url's query, what looks like one in the command. */
function shownInvocation(url: URL, command: readonly string[]): string {
  const [, , , ...typed] = process.argv;
  const options = typed.slice(0, typed.length - command.length).filter((word) => word !== '--');
  const shown = options.map((word, index) => {
    if (URL.canParse(word) && new URL(word).href === url.href) return shownUrl(url);
    const isHeader = options[index - 1] === '--header';
    return isHeader || word.startsWith('--header=') ? word.replace(/:.*$/s, ': ...') : word;
  });
  return [
    shownCommand(['onedrop', 'watch', ...shown]),
    ...(command.length === 0 ? [] : ['--', shownCommand(command)]),
  ].join(' ');
}

/** The cluster to look at. @throws UsageError where it cannot be reached. */
async function usable(typed: WatchTyped): Promise<NonNullable<ReturnType<typeof looking>>> {
  const { kubeconfig } = PROVIDERS;
  const { namespace, service } = typed;
  const chosen = kubeconfig && configured(kubeconfig, typed as object as Record<string, unknown>);
  const found = chosen && looking(chosen, { ...(namespace && { namespace }), ...(service && { service }) });
  if (found === undefined) throw new UsageError(['no cluster can be looked at']);
  return found;
}

const looking = (provider: Provider, suspect: Parameters<NonNullable<Provider['observe']>>[0]) => {
  const { observe } = provider;
  return observe === undefined
    ? undefined
    : (context: Parameters<typeof observe>[1]) => observe.call(provider, suspect, context);
};

/**
 * The first Ctrl-C ends the waiting, or a release that nobody else ends, and all is judged; while a command releases, and
 * the second time, the run ends at once; the third time the program does.
 */
function interrupts({ lasts }: WatchPlan, isCommand: boolean, directory: string) {
  const [stop, now] = [new AbortController(), new AbortController()];
  for (const signal of INTERRUPTS)
    process.on(signal, () => {
      if (now.signal.aborted) process.exit(EXIT.unknown);
      if (isCommand || stop.signal.aborted) {
        say(`\n${signal}: ending; what was logged until now is kept in ${shownPath(directory)}`);
        now.abort(new InterruptedError(signal));
      } else {
        say(`\n${signal}: no further release is waited for; once more ends at once`);
        stop.abort();
      }
    });
  const wall = new ScaledClock(1);
  let timer: Disposable | undefined;
  return {
    stop: stop.signal,
    signal: now.signal,
    /** From here on the time is counted for which it was asked to watch. */
    begin() {
      if (lasts !== undefined) timer ??= wall.after(lasts, () => stop.abort());
    },
    [Symbol.dispose]: () => timer?.[Symbol.dispose](),
  };
}
