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
  /** The cells that go on, by id: one, or as many as are played side by side. */
  const going = new Map<string, Going>();
  const runBegan = wall.now();
  let ended = { cells: 0, at: 0 };
  let of = 1;
  /** What is left by the time that the finished cells took; unknown before the first has ended. */
  const left = (real: number) => {
    if (ended.cells === 0) return '';
    const each = (ended.at - runBegan) / ended.cells;
    return `, about ${formatDuration(Math.max(0, each * (of - ended.cells) - (real - ended.at)))} left`;
  };
  const print = (line: string) => {
    live?.clear();
    stream.write(`${oneLine(line)}\n`);
  };
  return {
    begin(cell, { index, of: cells, predicting }) {
      of = cells;
      going.set(cell.id, {
        title: `[${index + 1}/${of}] ${cell.id}${predicting ? ' (prediction)' : ''} on ${cell.provider.name}`,
        begun: wall.now(),
        predicting,
        shown: 0,
        before: { now: 0, opened: 0 },
        line: '',
      });
    },
    watch({ id }, { now, step, counts }) {
      const cell = going.get(id);
      const real = wall.now();
      if (cell === undefined || real - cell.shown < (live ? REDRAW : SIGN_OF_LIFE)) return;
      if (live === undefined && cell.shown === 0) {
        cell.shown = real;
        return;
      }
      cell.shown = real;
      const versions = [...(counts?.byVersion ?? [])]
        .map(([version, open]) => `${version} ${open}`)
        .join(', ');
      let clients = '';
      if (counts !== undefined) {
        const perSecond = (1000 * (counts.opened - cell.before.opened)) / Math.max(1, now - cell.before.now);
        cell.before = { now, opened: counts.opened };
        clients = ` ${bar(counts.open, counts.clients)} ${counts.open}/${counts.clients} open (${versions}), ${counts.away} away, ${perSecond.toFixed(1)} connects/s`;
      }
      cell.line = oneLine(`${cell.title}  ${formatDuration(now)}  ${step} ${clients}${left(real)}`);
      if (live) live([...going.values()].flatMap(({ line }) => line || []).join('\n'));
      else print(cell.line);
    },
    end(cell, played: Played) {
      const { title = '', begun = 0, predicting = false } = going.get(cell.id) ?? {};
      going.delete(cell.id);
      if (!predicting) ended = { cells: ended.cells + 1, at: wall.now() };
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

interface Going {
  readonly title: string;
  readonly begun: number;
  readonly predicting: boolean;
  shown: number;
  /** What was shown last of it. */
  before: { now: number; opened: number };
  line: string;
}

const WIDTH = 20;
const bar = (part: number, whole: number) => {
  const filled = whole === 0 ? 0 : Math.round((part / whole) * WIDTH);
  return `${'█'.repeat(filled)}${'░'.repeat(WIDTH - filled)}`;
};
