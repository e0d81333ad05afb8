import { timeRange } from '../contracts/axis-kinds.ts';
import type { CellHeader } from '../contracts/event.ts';
import { formatDuration } from '../time/duration.ts';
import { type CapacityDocument, isLimited } from './capacity/capacity.ts';

/** What a cell takes for given and does not show, in sentences; told beside its verdict. */
export function assumptions(
  { evidence, axes, says, kind }: CellHeader,
  capacity: CapacityDocument | null,
): readonly string[] {
  if (kind === 'watch')
    return [
      'the clients of this run came beside your own: that the door holds when all of yours come back at once is assumed, not shown',
    ];
  const isDoorShown = isLimited({ axes }) && capacity !== null;
  return [
    ...(isDoorShown
      ? []
      : [
          evidence === 'modelled'
            ? 'no capacity was given: that the door holds when everybody comes back (the gateway admits all, however many at once) is assumed, not shown'
            : 'no capacity was given: the gateways had what these machines gave them; that the door holds with the capacity of yours when everybody comes back is assumed, not shown',
        ]),
    // The user's own gateway starts as it starts.
    ...(says === undefined ? [starts(axes.podStart)] : []),
  ];
}

function starts(podStart: string): string {
  const { least, most } = timeRange(podStart);
  const time = least === most ? formatDuration(least) : `${formatDuration(least)} to ${formatDuration(most)}`;
  return `a new pod needs ${time} until it listens (--pod-start), which decides who is dropped twice; how long yours need is not shown`;
}
