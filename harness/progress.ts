import { createLogUpdate } from 'log-update';
import { formatDuration } from './duration.ts';
import type { PlannedCell } from './plan.ts';
import type { Played } from './play.ts';
import type { RunAudience } from './run.ts';
import { ScaledClock } from './scaled-clock.ts';

/** How often a terminal is redrawn, and a log told that something still goes on, in real milliseconds. */
const REDRAW = 120;
const SIGN_OF_LIFE = 30_000;

/**
 * Shows a run while it goes on: on a terminal a bar that moves, elsewhere (CI) a line a cell and a sign of life
 * every half minute.
 */
export function createProgress(
  stream: NodeJS.WriteStream,
  outcomeOf: (cell: PlannedCell) => string,
): RunAudience {
  const wall = new ScaledClock(1);
  const live = stream.isTTY ? createLogUpdate(stream) : undefined;
  let shown = 0;
  let begun = 0;
  let title = '';
  const print = (line: string) => {
    live?.clear();
    stream.write(`${line}\n`);
  };
  return {
    begin(cell, { index, of, predicting }) {
      begun = wall.now();
      shown = 0;
      title = `[${index + 1}/${of}] ${cell.id}${predicting ? ' (prediction)' : ''} on ${cell.provider.name}`;
    },
    watch({ now, step, fleet }) {
      const real = wall.now();
      if (real - shown < (live ? REDRAW : SIGN_OF_LIFE)) return;
      if (live === undefined && shown === 0) {
        shown = real;
        return;
      }
      shown = real;
      const counts = fleet?.counts();
      const versions = [...(counts?.byVersion ?? [])]
        .map(([version, open]) => `${version} ${open}`)
        .join(', ');
      const clients =
        counts === undefined
          ? ''
          : ` ${bar(counts.open, counts.clients)} ${counts.open}/${counts.clients} open (${versions}), ${counts.away} away`;
      const line = `${title}  ${formatDuration(now)}  ${step} ${clients}`;
      if (live) live(line);
      else print(line);
    },
    end(cell, played: Played) {
      const took = formatDuration(wall.now() - begun);
      const outcome =
        played.outcome === 'finished' ? outcomeOf(cell) : `${played.outcome}: ${played.error?.message ?? ''}`;
      print(`${title}  ${took}  ${outcome}`);
    },
    skipped(cell) {
      print(`[skipped] ${cell.id} on ${cell.provider.name}: ${cell.skip}`);
    },
  };
}

const WIDTH = 20;
const bar = (part: number, whole: number) => {
  const filled = whole === 0 ? 0 : Math.round((part / whole) * WIDTH);
  return `${'█'.repeat(filled)}${'░'.repeat(WIDTH - filled)}`;
};
