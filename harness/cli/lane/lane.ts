import { join } from 'node:path';
import { inside } from '../../../clusters/netns/launcher/inside.ts';
import type { Event, Outcome } from '../../contracts/event.ts';
import type { PlannedCell } from '../../run/plan.ts';
import { header, type Played, type PlayOptions, type Status } from '../../run/play.ts';

const PROGRAM = join(import.meta.dirname, 'lane.main.ts');

/** What a lane is asked: first to play a cell, later perhaps to end. */
export type Request =
  | {
      readonly cell: Omit<PlannedCell, 'strategy' | 'provider'>;
      /** By name, for functions cannot be handed over. */
      readonly strategy: string;
      readonly provider: string;
      readonly options: Pick<PlayOptions, 'name' | 'directory' | 'speed'>;
    }
  | { readonly interrupted: string };

/** What a lane tells; `played` is the last. */
export type Told =
  | { readonly event: Event }
  | { readonly status: Status }
  | { readonly played: { readonly outcome: Outcome; readonly error?: string } };

/** Kept of what a lane writes to its standard error. */
const LAST_WORDS = 2000;

/**
 * Plays one cell as `play` does, in a process of its own in fresh network, mount and PID namespaces: a lane. What it
 * records and shows arrives here. A lane that dies breaks its cell, and nothing else.
 */
export async function playInLane(
  { strategy, provider, ...cell }: PlannedCell,
  options: PlayOptions,
): Promise<Played> {
  const { record, audience, signal, name, directory, speed } = options;
  let begun = false;
  let ended = false;
  let now = 0;
  let played: Played | undefined;
  let died: string;
  try {
    const lane = await inside([PROGRAM], {
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      serialization: 'advanced',
    });
    const interrupt = () => {
      const { reason } = signal;
      const request: Request = { interrupted: reason instanceof Error ? reason.message : String(reason) };
      if (lane.connected) lane.send(request, () => {});
    };
    died = await new Promise<string>((resolve, reject) => {
      let lastWords = '';
      lane.stderr?.on('data', (data) => {
        lastWords = `${lastWords}${data}`.slice(-LAST_WORDS);
      });
      lane.on('message', (told: Told) => {
        try {
          if ('status' in told) audience.watch(told.status);
          else if ('played' in told) {
            const { outcome, error } = told.played;
            played = { outcome, ...(error === undefined ? {} : { error: new Error(error) }) };
          } else {
            const { event } = told;
            begun ||= event.type === 'cell';
            ended ||= event.type === 'end';
            if ('at' in event) now = event.at;
            record(event);
          }
        } catch (error) {
          lane.removeAllListeners('message');
          lane.kill('SIGKILL');
          reject(error);
        }
      });
      lane.on('error', reject);
      lane.on('close', (code, killed) => {
        const how = killed ?? `exit code ${code}`;
        const gone = () => resolve(`the process that played it ended (${how}) ${lastWords}`.trim());
        // What it had told before it ended is still read.
        if (lane.connected) lane.on('disconnect', gone);
        else gone();
      });
      if (signal.aborted) interrupt();
      else signal.addEventListener('abort', interrupt, { once: true });
      const asked = { name, directory, ...(speed === undefined ? {} : { speed }) };
      const request: Request = {
        cell,
        strategy: strategy.name,
        provider: provider.name,
        options: asked,
      };
      lane.send(request);
    }).finally(() => signal.removeEventListener('abort', interrupt));
  } catch (error) {
    died = error instanceof Error ? error.message : String(error);
    played = undefined;
  }
  if (played !== undefined) return played;
  if (!begun) record({ type: 'cell', cell: header({ ...cell, strategy, provider }, undefined, options) });
  if (!ended) record({ at: now, type: 'end', outcome: 'broken', why: died });
  return { outcome: 'broken', error: new Error(died) };
}
