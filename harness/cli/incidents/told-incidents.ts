import Table from 'cli-table3';
import { isAnalysed, type StoredRun } from '../../../reports/stored/stored-run.ts';
import type { Finding } from '../../../scenarios/incidents/finding.ts';
import { type Incident, sidesOf } from '../../../scenarios/incidents/incident.ts';
import type { VerdictName } from '../../analyses/verdict.ts';

/** An incident as it was played, in the shape of `--format json`. */
export interface ToldIncident extends Pick<Incident, 'id' | 'reference' | 'saw' | 'fix'> {
  /** Undefined where it was not played. */
  readonly before?: Finding;
  /** Undefined where it was not played; null where no axis can say what they changed. */
  readonly after?: Finding | null;
  /** Whether all that must come out did; null where not all of it was played. */
  readonly holds: boolean | null;
}

/** What onedrop says of each incident, from the cells of a run. */
export const toldIncidents = (
  incidents: readonly Incident[],
  { cells, unplayed }: StoredRun,
): ToldIncident[] =>
  incidents.map((incident) => {
    const { id, reference, saw, fix } = incident;
    const sides = sidesOf(incident);
    const findings = sides.flatMap(({ name, finds }) => {
      const cell = cells.filter(isAnalysed).find(({ header }) => header.id === `${id}/${name}`);
      const whole = cell !== undefined && unplayed.every((other) => other.id !== cell.header.id);
      return whole ? [[name, finds(cell.result)] as const] : [];
    });
    const holds = findings.every(([, finding]) => finding.holds);
    return {
      ...{ id, reference, saw, fix },
      ...(incident.after === undefined ? { after: null } : {}),
      ...Object.fromEntries(findings),
      holds: findings.length < sides.length && holds ? null : holds,
    };
  });

/** Columns of the table, in characters; together with its lines as wide as a wide terminal. */
const WIDTHS = [38, 40, 40];
const NOT_SO = 'NOT WHAT MUST COME OUT: ';

const told = (finding: Finding | null | undefined) =>
  finding === null
    ? 'no axis can say that'
    : finding === undefined
      ? 'not played to its end'
      : `${finding.holds ? '' : NOT_SO}${finding.says}`;

/** What they saw, what onedrop says and what their fix does, as a table. */
export function incidentTable(incidents: readonly ToldIncident[]): string {
  const table = new Table({
    head: ['what they saw', 'what onedrop says', 'what their fix does'],
    colWidths: WIDTHS,
    wordWrap: true,
    style: { head: [], border: [] },
  });
  for (const { id, reference, saw, fix, before, after } of incidents)
    table.push([`${reference} (${id}): ${saw}`, told(before), `${fix}: ${told(after)}`]);
  return table.toString();
}

/** Fail where something did not come out that must, else unknown where not all was played. */
export function incidentsVerdict(incidents: readonly ToldIncident[]): VerdictName {
  const outcomes = incidents.map(({ holds }) => holds);
  return outcomes.includes(false) ? 'fail' : outcomes.includes(null) ? 'unknown' : 'pass';
}
