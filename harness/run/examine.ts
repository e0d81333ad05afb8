import { analyze } from '../analyses/analyze.ts';
import type { CellDocument } from '../analyses/cell-document.ts';
import { AXES, type AxisName, type AxisTexts } from '../contracts/axes.ts';
import type { Diagnosis, Provider } from '../contracts/cluster.ts';
import type { CellHeader, Timed } from '../contracts/event.ts';
import type { Strategy } from '../contracts/scenario.ts';
import { formatDuration } from '../time/duration.ts';
import { planCells } from './plan.ts';
import { play } from './play.ts';

/** What `doctor` says of a cluster; `--format json` prints it as it is. */
export interface DoctorReport {
  readonly cluster: string;
  readonly facts: Diagnosis['facts'];
  /** The axes that the cluster decides, which the predictions were played with. */
  readonly axes: AxisTexts;
  readonly doubts: readonly string[];
  /** Simulated cells, not measured ones. */
  readonly predictions: readonly CellDocument[];
}

/** Plays strategies on the simulator as the cluster is; what was typed comes before what was found. */
export async function examine(
  diagnosis: Diagnosis,
  options: {
    readonly cluster: string;
    readonly strategies: readonly Strategy[];
    readonly predictor: Provider;
    readonly typed: AxisTexts;
    readonly seed: number;
    readonly signal: AbortSignal;
  },
): Promise<DoctorReport> {
  const { cluster, strategies, predictor, typed, seed, signal } = options;
  const texts = { ...diagnosis.axes, ...typed };
  const predictions: CellDocument[] = [];
  for (const cell of planCells({ strategies, providers: [predictor], texts, seed, repeat: 1 })) {
    let header: CellHeader | undefined;
    const events: Timed[] = [];
    await play(cell, {
      name: 'doctor',
      // The simulator writes no files.
      directory: '',
      signal,
      audience: { watch() {} },
      record(event) {
        if (event.type === 'cell') header = event.cell;
        else if ('at' in event) events.push(event);
      },
    });
    if (header !== undefined) predictions.push(analyze(header, events).document);
  }
  const { facts, doubts } = diagnosis;
  return { cluster, facts, axes: texts, doubts, predictions };
}

const percent = (share: number) => `${Number((100 * share).toFixed(1))} %`;

/** How the losses that nobody asked for show, and when. */
function losses({ collateral, clients, silent, reset, firstDropMillis }: CellDocument): string {
  if (collateral === 0) return 'no connection is lost while its pod serves';
  const shown =
    silent >= collateral
      ? 'without a sign: only heartbeats notice'
      : reset >= collateral
        ? 'by reset'
        : 'some by reset, some without a sign';
  const when = firstDropMillis === null ? '' : `, the first noticed after ${formatDuration(firstDropMillis)}`;
  return `${percent(collateral / clients)} of the connections are lost although their pod serves, ${shown}${when}`;
}

/** The report for a terminal. */
export function doctorText({ cluster, facts, axes, doubts, predictions }: DoctorReport): string {
  const width = Math.max(...Object.keys(facts).map((name) => name.length));
  const options = Object.entries(axes).map(
    ([name, text]) => `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)} ${text}`,
  );
  const varying = (Object.keys(AXES) as AxisName[]).filter(
    (name) => new Set(predictions.map((cell) => String(cell.axes[name]))).size > 1,
  );
  const told = predictions.map((cell) => {
    const where = varying
      .filter((name) => name === 'policy')
      .map((name) => ` with ${AXES[name].show(cell.axes[name] as never)}`);
    return `  ${cell.strategy}${where.join('')}: ${losses(cell)}`;
  });
  return [
    `${cluster} as it is`,
    ...Object.entries(facts).map(([name, text]) => `  ${name.padEnd(width)}  ${text}`),
    '',
    'What the simulator predicts for it (modelled, not measured)',
    ...told,
    `  as played by: npm run scenario -- ${[...new Set(predictions.map(({ strategy }) => strategy))].join(' ')} --cluster sim ${options.join(' ')}`,
    ...(doubts.length === 0 ? [] : ['', 'Doubts', ...doubts.map((doubt) => `  ${doubt}`)]),
  ].join('\n');
}
