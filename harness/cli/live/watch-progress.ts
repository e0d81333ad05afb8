import { createLogUpdate } from 'log-update';
import { oneLine } from '../../../reports/words/plain-text.js';
import { formatDuration } from '../../time/duration.ts';
import { ScaledClock } from '../../time/scaled-clock.ts';
import type { WatchStatus } from '../../watch/watch.ts';

/** How often a terminal is redrawn, and a log told that something still goes on, in real milliseconds. */
const REDRAW = 200;
const SIGN_OF_LIFE = 30_000;

/** Tells where a watch is: on a terminal in a line that changes, elsewhere a line a step and each half minute. */
export function createWatchProgress(stream: NodeJS.WriteStream) {
  const wall = new ScaledClock(1);
  const live = stream.isTTY ? createLogUpdate(stream) : undefined;
  let shown = { at: Number.NEGATIVE_INFINITY, step: '' };
  return {
    watch({ state, step, now, counts }: WatchStatus): void {
      const real = wall.now();
      if (real - shown.at < (live ? REDRAW : SIGN_OF_LIFE) && (live || step === shown.step)) return;
      shown = { at: real, step };
      const versions = [...(counts?.byVersion ?? [])].filter(([, open]) => open > 0);
      const where = versions.map(([version, open]) => `${version} ${open}`).join(', ');
      const clients =
        counts === undefined ? '' : `  ${counts.open}/${counts.clients} open (${where}), ${counts.away} away`;
      const line = oneLine(`[${state}] ${formatDuration(now)}  ${step}${clients}`);
      if (live) live(line);
      else stream.write(`${line}\n`);
    },
    /** Passes on what a command of the user's own writes, as it is. */
    pass(text: Buffer): void {
      live?.clear();
      stream.write(text);
    },
    end(): void {
      live?.clear();
    },
  };
}
