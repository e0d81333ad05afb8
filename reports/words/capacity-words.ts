import type { CapacityDocument } from '../../harness/analyses/capacity/capacity.ts';
import type { AnalysedCell } from '../stored/stored-run.ts';
import { cellName, count, percent, plural, rate, time } from './words.ts';

/** How pods bore the return, as a verb. */
const BORE: Readonly<Record<CapacityDocument['outcome'], string>> = {
  holds: 'the door holds',
  recovers: 'the door does not hold, but the service recovers',
  collapses: 'the service collapses',
};

/** How pods fell, in words; empty where none did. */
const fallenWords = ({ fallen, podsFallen }: CapacityDocument): string => {
  const ways = Object.entries(fallen).filter(([, times]) => times > 0);
  if (ways.length === 0) return '';
  return `${plural(podsFallen, 'pod')} fell (${ways.map(([way, times]) => `${way} ${plural(times, 'time')}`).join(', ')})`;
};

/** When the service was itself again. */
export const againWords = ({ itselfAgainMillis: again }: CapacityDocument): string =>
  again === null
    ? 'not itself again at the end'
    : again === 0
      ? 'itself again when the release ended'
      : `itself again ${time(again)} after the release`;

/** What the return did to limited pods, in one sentence. */
export function capacityWords(capacity: CapacityDocument): string {
  const { attemptsPerReturn, mostAttempts } = capacity;
  const fell = fallenWords(capacity);
  return [
    `${BORE[capacity.outcome]}: ${plural(capacity.offeredAttempts, 'handshake')} offered (at most ${rate(capacity.peakOfferedPerSecond)}/s), ${count(capacity.servedAttempts)} served (at most ${rate(capacity.peakServedPerSecond)}/s), ${count(capacity.timedOutAttempts)} timed out, ${count(capacity.refusedAttempts)} refused`,
    `at most ${count(capacity.longestQueue)} in the queue, ${time(capacity.longestWaitMillis)} the longest wait, ${percent(capacity.busiestShare)} of the processors the most used`,
    ...(capacity.staleAttempts > 0
      ? [`${plural(capacity.staleAttempts, 'handshake')} done for clients that had left`]
      : []),
    ...(attemptsPerReturn === null
      ? []
      : [`${rate(attemptsPerReturn)} attempts a return (at most ${count(mostAttempts)})`]),
    ...(fell === '' ? [] : [fell]),
    againWords(capacity),
  ].join('; ');
}

/** A line for each cell whose pods were limited. */
export const capacityLines = (cells: readonly AnalysedCell[]): string[] =>
  cells.flatMap((cell) => {
    const { capacity } = cell.result.document;
    return capacity === null ? [] : [`${cellName(cell, cells)}: ${capacityWords(capacity)}`];
  });
