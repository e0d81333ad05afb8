import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { testRun } from '../../../reports/stored/test-run.ts';
import type { Incident } from '../../../scenarios/incidents/incident.ts';
import { onedrop, scratch } from '../cli.fixture.ts';
import { incidentsVerdict, incidentTable, type ToldIncident, toldIncidents } from './told-incidents.ts';

const side = (holds: boolean) => ({ axes: {}, finds: () => ({ says: `so ${holds}`, holds }) });
const incident = (before: boolean, after?: boolean): Incident => ({
  ...{ id: 'leak', reference: 'some/body#1', saw: 'water', fix: 'a bucket', strategy: 'rolling-update' },
  before: side(before),
  ...(after === undefined ? {} : { after: side(after) }),
});
const ran = (...names: string[]) => testRun(names.map((id) => [{ id }, 'calm'] as const));
const BOTH = ['leak/before', 'leak/after'];

test.each<[string, Incident, string[], ToldIncident['holds'], string]>([
  ['both sides come out as they must', incident(true, true), BOTH, true, 'pass'],
  ['what must come out does not', incident(true, false), BOTH, false, 'fail'],
  ['one side was not played', incident(true, true), ['leak/before'], null, 'unknown'],
  ['no axis can say what they changed', incident(true), ['leak/before'], true, 'pass'],
])('where %s, that is told', (_case, one, names, holds, verdict) => {
  const told = toldIncidents([one], ran(...names));
  expect(told).toMatchObject([{ holds }]);
  expect(incidentsVerdict(told)).toBe(verdict);
  const table = incidentTable(told);
  expect(table.includes('NOT WHAT MUST COME OUT')).toBe(holds === false);
  expect(table.includes('no axis can say that')).toBe(one.after === undefined);
  expect(table.includes('not played to its end')).toBe(holds === null);
});

test('an incident is played before and after its fix as two ordinary cells of a run, named by where it was reported', async () => {
  const out = join(scratch(), 'run');
  const { code, out: printed } = await onedrop([
    'scenario',
    'incidents',
    'aks',
    '--out',
    out,
    '--format',
    'json',
  ]);
  expect(code).toBe(0);
  const document = JSON.parse(printed);
  expect(document.incidents).toMatchObject([{ id: 'aks', holds: true, before: { holds: true } }]);
  expect(document.cells.map(({ id }: { id: string }) => id)).toEqual(['aks/before', 'aks/after']);
  expect(readFileSync(join(out, 'summary.md'), 'utf8')).toContain('AKS\\#5038, before');
});

test('what an incident decides itself, or cannot be played on, is refused with a reason each', async () => {
  const { code, err } = await onedrop([
    ...['scenario', 'incidents', 'flood', '--policy', 'Local', '--cluster', 'netns', '--repeat', '3'],
  ]);
  expect(code).toBe(64);
  for (const hint of ['incident flood', '--policy', '--cluster netns', '--repeat 3', 'omi'])
    expect(err).toContain(hint);
});
