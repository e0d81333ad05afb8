import type { CellHeader } from '../contracts/event.ts';
import type { Millis } from '../time/duration.ts';
import type { FleetResult } from './clients/fleet.ts';
import type { History } from './history.ts';

/** What a watched fleet loses without any release: measured from the moment when all were connected to the begin of the release. */
export interface Background {
  readonly disconnects: number;
  /** How long was looked. */
  readonly overMillis: Millis;
  /** Disconnects an hour and thousand clients; null where nothing was looked at. */
  readonly perThousandAnHour: number | null;
  /** Disconnects that this rate gives from the begin of the release to the end of the cell. */
  readonly expected: number;
}

const HOUR: Millis = 3_600_000;

/** The background of a watched release; null for what onedrop played itself. */
export function backgroundOf(
  { kind }: Pick<CellHeader, 'kind'>,
  fleet: Pick<FleetResult, 'background' | 'clients' | 'end'>,
  { steps }: Pick<History, 'steps'>,
): Background | null {
  if (kind !== 'watch') return null;
  const from = steps.findLast(({ phase, name }) => phase === 'prepare' && name === CONNECTING)?.end ?? 0;
  const release = steps.find(({ phase }) => phase === 'release')?.begin;
  const over = Math.max(0, (release ?? fleet.end) - from);
  const disconnects = fleet.background.length;
  const rate = over === 0 ? 0 : disconnects / over;
  return {
    disconnects,
    overMillis: over,
    perThousandAnHour: over === 0 || fleet.clients === 0 ? null : (rate * HOUR * 1000) / fleet.clients,
    expected: release === undefined ? 0 : rate * (fleet.end - release),
  };
}

/** The step in which a fleet opens its connections. */
export const CONNECTING = 'clients connect';
