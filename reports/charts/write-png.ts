import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { StoredRun } from '../stored/stored-run.ts';
import { answeringCells, cellName } from '../words/words.ts';
import { connectionsChart, disconnectsChart, reconnectsChart, timeAwayChart } from './cell-charts.ts';
import { handshakesChart, queueChart } from './load-charts.ts';
import { pngRenderer } from './render-png.ts';
import { replicasChart } from './replicas-chart.ts';

/** Cells beyond this get no pictures: nobody pastes them. */
const MOST_CELLS = 12;

/** A cell's id as a file name. */
const fileName = (id: string) => id.replace(/[^A-Za-z0-9=.-]+/g, '_');

/** Writes the charts of the first cells as PNGs into `charts/` of the run and returns the paths; undefined where nothing here draws them. */
export async function writePngs(run: StoredRun, directory: string): Promise<string[] | undefined> {
  const render = await pngRenderer();
  if (render === undefined) return undefined;
  const cells = answeringCells(run);
  const folder = join(directory, 'charts');
  mkdirSync(folder, { recursive: true });
  return cells.slice(0, MOST_CELLS).flatMap((cell) => {
    const charts = {
      connections: connectionsChart(cell),
      disconnects: disconnectsChart(cell),
      reconnects: reconnectsChart(cell),
      ...(cell.result.history.autoscaler.length > 0 ? { replicas: replicasChart(cell) } : {}),
      ...(cell.result.document.capacity === null
        ? {}
        : { handshakes: handshakesChart(cell), queue: queueChart(cell) }),
      ...(cell.result.ledger.rows.length > 0 ? { 'time-away': timeAwayChart(cell) } : {}),
    };
    return Object.entries(charts).map(([name, spec]) => {
      const path = join(folder, `${fileName(cell.header.id)}.${name}.png`);
      writeFileSync(path, render({ ...spec, title: `${spec.title} · ${cellName(cell, cells)}` }));
      return path;
    });
  });
}
