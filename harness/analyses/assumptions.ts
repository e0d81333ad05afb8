import type { CellHeader } from '../contracts/event.ts';

/** What a cell takes for given and does not show, in sentences; told beside its verdict. */
export function assumptions({ evidence, kind }: CellHeader): readonly string[] {
  if (kind === 'watch')
    return [
      'the clients of this run came beside your own: that the door holds when all of yours come back at once is assumed, not shown',
    ];
  return [
    evidence === 'modelled'
      ? 'no capacity was given: that the door holds when everybody comes back (the gateway admits all, however many at once) is assumed, not shown'
      : 'no capacity was given: the gateways had what these machines gave them; that the door holds with the capacity of yours when everybody comes back is assumed, not shown',
  ];
}
