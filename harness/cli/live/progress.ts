import { createLogUpdate } from 'log-update';
import { oneLine } from '../../../reports/words/plain-text.js';
import type { PlannedCell } from '../../run/plan.ts';
import type { Played } from '../../run/play.ts';
import type { RunAudience } from '../../run/run.ts';
import { formatDuration } from '../../time/duration.ts';
import { ScaledClock } from '../../time/scaled-clock.ts';

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
  const runBegan = wall.now();
  let place = { index: 0, of: 1 };
  let before = { now: 0, opened: 0 };
  /** What is left by the time that the finished cells took; unknown before the first has ended. */
  const left = (real: number) => {
    if (place.index === 0) return '';
    const each = (begun - runBegan) / place.index;
    return `, about ${formatDuration(Math.max(0, each * (place.of - place.index) - (real - begun)))} left`;
  };
  const print = (line: string) => {
    live?.clear();
    stream.write(`${oneLine(line)}\n`);
  };
  return {
    begin(cell, { index, of, predicting }) {
      begun = wall.now();
      shown = 0;
      place = { index, of };
      before = { now: 0, opened: 0 };
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
      let clients = '';
      if (counts !== undefined) {
        const perSecond = (1000 * (counts.opened - before.opened)) / Math.max(1, now - before.now);
        before = { now, opened: counts.opened };
        clients = ` ${bar(counts.open, counts.clients)} ${counts.open}/${counts.clients} open (${versions}), ${counts.away} away, ${perSecond.toFixed(1)} connects/s`;
      }
      const line = `${title}  ${formatDuration(now)}  ${step} ${clients}${left(real)}`;
      if (live) live(oneLine(line));
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
