import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Event } from '../harness/contracts/event.ts';
import { UsageError } from '../harness/errors.ts';
import { EventLog } from '../harness/log/event-log.ts';
import { Random } from '../harness/statistics/random.ts';
import { makeBeforeBreak } from '../scenarios/make-before-break.ts';
import { selectorFlip } from '../scenarios/selector-flip.ts';
import { junitXml } from './junit.ts';
import { renderReport } from './report.ts';
import { resultDocument, runVerdict } from './result/result-document.ts';
import { INFO, measuring, playedRun } from './stored/played-run.fixture.ts';
import { readRun, type StoredRun } from './stored/stored-run.ts';
import { summaryMarkdown } from './summary.ts';
import { resultTable } from './terminal.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'onedrop-stored-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** A run's folder with these bytes for a log. */
function stored(log: string | Buffer, { gzip = false, info = JSON.stringify(INFO) } = {}): string {
  const directory = mkdtempSync(join(folder, 'run-'));
  writeFileSync(join(directory, `events.jsonl${gzip ? '.gz' : ''}`), log);
  writeFileSync(join(directory, 'run.json'), info);
  return directory;
}
const whole = (lines: readonly string[]) => `${lines.join('\n')}\n`;
const small = { clients: '30', backoff: '10s' };
/** Two cells that pass. */
const played = (name: string, options: Parameters<typeof playedRun>[3] = {}) =>
  playedRun(join(folder, name), [selectorFlip], { ...small, drainOver: '5m,6m' }, options);
const [FIRST, SECOND] = ['selector-flip/drainOver=5m', 'selector-flip/drainOver=6m'];

/** A log as written by hand, sealed as the harness seals it. */
function sealed(events: readonly Event[]): string {
  const path = join(mkdtempSync(join(folder, 'sealed-')), 'events.jsonl');
  using log = new EventLog(path);
  for (const event of events) log.append(event);
  return path;
}
const parsed = (lines: readonly string[]) => lines.map((line) => JSON.parse(line) as Event);

/** What reading a damaged run says. */
const refusal = async (directory: string): Promise<string> => {
  const error = await readRun(directory).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(UsageError);
  return (error as UsageError).message;
};

function names(run: StoredRun, id: string, why: RegExp): void {
  expect(runVerdict(run)).toBe('unknown');
  expect(resultDocument(run).unplayed).toEqual([{ id, why: expect.stringMatching(why) }]);
  for (const text of [resultTable(run), summaryMarkdown(run), renderReport(run), junitXml(run)])
    expect(text.replaceAll('\\', '').includes(id)).toBe(true);
}

describe('a run that did not come to its end', () => {
  test('names each cell that was not played: interrupted between two cells, it is unknown', async () => {
    const lines = await played('between', {
      heed: (event, interrupt) => {
        if (event.type === 'end') interrupt();
      },
    });
    expect(parsed(lines)[0]).toMatchObject({ type: 'run', schema: 2, cells: [FIRST, SECOND] });
    expect(parsed(lines).at(-1)).toMatchObject({ type: 'end', outcome: 'interrupted' });
    names(await readRun(join(folder, 'between')), SECOND, /the run was interrupted before it/);
  });

  test('is unknown where it was interrupted during the prediction of its second cell', async () => {
    let cells = 0;
    await played('predicting', {
      provider: measuring,
      heed: (event, interrupt) => {
        if (event.type === 'cell') cells++;
        if (cells === 3 && event.type === 'open') interrupt();
      },
    });
    names(await readRun(join(folder, 'predicting')), SECOND, /the run was interrupted before it/);
  });

  test('is unknown wherever its log is cut, also within a prediction and in an older log', async () => {
    const lines = await played('cuts', { provider: measuring });
    const ids = parsed(lines).map((event) => (event.type === 'cell' ? event.cell.id : ''));
    const [predicting, measured] = [ids.indexOf(`${SECOND}@sim`), ids.indexOf(SECOND)];
    expect(predicting).toBeGreaterThan(0);
    const old = lines.map((line) => {
      const { seal: _, cells: __, ...event } = JSON.parse(line);
      return JSON.stringify({ ...event, ...(event.type === 'run' ? { schema: 1 } : {}) });
    });
    expect(runVerdict(await readRun(stored(whole(lines))))).toBe('pass');
    expect(runVerdict(await readRun(stored(whole(old.slice(0, -1)))))).toBe('pass');
    for (const cut of [predicting, predicting + 1, predicting + 40, measured])
      names(await readRun(stored(whole(lines.slice(0, cut)))), SECOND, /the log breaks off before it/);
    for (const cut of [predicting + 1, measured - 8, measured])
      names(await readRun(stored(whole(old.slice(0, cut)))), SECOND, /the log breaks off before it/);
    expect(runVerdict(await readRun(stored(whole(lines.slice(0, measured + 50)))))).toBe('unknown');
  });

  test.each([
    [1, 'first'],
    [2, 'second'],
  ])(
    'agrees with no prediction where nobody was ever connected, and shows no share (cell %i)',
    async (nth, name) => {
      let cells = 0;
      await played(`nobody-${name}`, {
        provider: measuring,
        heed: (event, interrupt) => {
          if (event.type === 'cell') cells++;
          if (cells === 2 * nth && event.type === 'step') interrupt();
        },
      });
      const run = await readRun(join(folder, `nobody-${name}`));
      const document = resultDocument(run).cells.at(-1);
      expect(document).toMatchObject({ clients: 0, verdict: 'unknown' });
      expect(document?.predicted).toBeUndefined();
      for (const text of [resultTable(run), summaryMarkdown(run), renderReport(run)]) {
        expect(/\b0 % agrees|0 % <span class="badge pass">agrees</.test(text) && nth === 1).toBe(false);
        expect(/(^|[^\d.])0–100 %/.test(text)).toBe(false);
      }
    },
  );
});

describe('a damaged run is refused with file, line and field', () => {
  let lines: string[];
  beforeAll(async () => {
    lines = await played('damaged');
  });
  const changed = (change: (events: Event[]) => unknown) => {
    const events = parsed(lines).map(({ ...event }) => event) as (Event & { seal?: unknown })[];
    for (const event of events) delete event.seal;
    const more = change(events);
    return sealed(Array.isArray(more) ? (more as Event[]) : events);
  };
  const at = (line: number, what: RegExp) => new RegExp(`events\\.jsonl: line ${line}: ${what.source}`);

  test.each([0, '1', null, undefined, 1.5, -1])('its schema is %j', async (schema) => {
    const first = JSON.stringify({ ...JSON.parse(lines[0] as string), schema });
    expect(await refusal(stored(whole([first, ...lines.slice(1)])))).toMatch(at(1, /schema is /));
  });

  test('a line is null, no object, no event, or lacks a field', async () => {
    const with5 = (line: string) => stored(whole(lines.with(4, line)));
    expect(await refusal(with5('null'))).toMatch(at(5, /is null, not an event/));
    expect(await refusal(with5('[1]'))).toMatch(at(5, /is \[1\], not an event/));
    expect(await refusal(with5('{"type":"toString"}'))).toMatch(at(5, /type is "toString"/));
    expect(await refusal(with5('{"type":"open","at":"1"}'))).toMatch(at(5, /at is "1" \(allowed: number\)/));
    expect(await refusal(with5('{"type":"open","at":1}'))).toMatch(at(5, /client is missing/));
  });

  test('a cell has no axes, or one that is no value', async () => {
    const without = (axes: unknown) =>
      stored(
        whole(
          lines.map((line) => {
            const event = JSON.parse(line);
            return event.type === 'cell' ? JSON.stringify({ ...event, cell: { ...event.cell, axes } }) : line;
          }),
        ),
      );
    expect(await refusal(without(undefined))).toMatch(at(2, /cell\.axes is missing/));
    expect(await refusal(without({}))).toMatch(at(2, /cell\.axes\.policy is missing/));
  });

  test('a cell stands there twice, or predicts itself, or was not planned', async () => {
    const cells = (events: readonly Event[]) => events.filter((event) => event.type === 'cell');
    const again = changed((events) => {
      const second = events.findIndex((event) => event.type === 'cell' && event.cell.id === SECOND);
      return [...events.slice(0, second), ...events.slice(1, second), ...events.slice(second)];
    });
    expect(await refusal(stored(readFileSync(again)))).toMatch(
      /cell\.id is ".*=5m", as that of a cell before/,
    );
    const itself = changed((events) => {
      const [cell] = cells(events) as { cell: { predicts?: string; id: string } }[];
      if (cell !== undefined) cell.cell = { ...cell.cell, predicts: cell.cell.id };
    });
    expect(await refusal(stored(readFileSync(itself)))).toMatch(
      /cell\.predicts is ".*", which is the cell itself/,
    );
    const other = changed((events) => {
      const [cell] = cells(events) as { cell: { id: string } }[];
      if (cell !== undefined) cell.cell = { ...cell.cell, id: 'other' };
    });
    expect(await refusal(stored(readFileSync(other)))).toMatch(
      /cell\.id is "other", which the first line does not/,
    );
  });

  test('a line is missing, doubled, moved or changed', async () => {
    const closed = lines.findIndex((line) => line.includes('"type":"closed"'));
    expect(await refusal(stored(whole(lines.toSpliced(closed, 1))))).toMatch(/lines are missing or doubled/);
    const doubled = lines.toSpliced(closed, 0, lines[closed] as string);
    expect(await refusal(stored(whole(doubled)))).toMatch(/lines are missing or doubled/);
    // One away and another one twice: as many as before.
    expect(await refusal(stored(whole(doubled.toSpliced(closed + 5, 1))))).toMatch(/some were changed/);
    const other = (lines[closed] as string).replace('"version":"v1"', '"version":"v2"');
    expect(await refusal(stored(whole(lines.with(closed, other))))).toMatch(/some were changed/);
  });

  test('its run.json is no JSON, is empty, or lacks what it should have', async () => {
    expect(await refusal(stored(whole(lines), { info: '{"id":' }))).toMatch(/run\.json: is not JSON/);
    expect(await refusal(stored(whole(lines), { info: '' }))).toMatch(/run\.json: is not JSON/);
    expect(await refusal(stored(whole(lines), { info: 'null' }))).toMatch(/run\.json: /);
    expect(await refusal(stored(whole(lines), { info: '{"id":1}' }))).toMatch(/run\.json: startedAt: /);
  });

  test('its compressed log is none; one that is cut reads as a cut log', async () => {
    const packed = gzipSync(whole(lines));
    expect(runVerdict(await readRun(stored(packed, { gzip: true })))).toBe('pass');
    expect(await refusal(stored('no gzip', { gzip: true }))).toMatch(/events\.jsonl\.gz: cannot be read/);
    const flipped = Buffer.from(packed);
    flipped.writeUInt8(flipped.readUInt8(flipped.length >> 1) ^ 0xff, flipped.length >> 1);
    expect(await refusal(stored(flipped, { gzip: true }))).toMatch(/events\.jsonl\.gz/);
    for (const kept of [packed.length - 1, packed.length - 8, Math.floor(packed.length / 2)]) {
      const run = await readRun(stored(packed.subarray(0, kept), { gzip: true }));
      expect(run.remarks).toEqual([expect.stringMatching(/^the log breaks off in line/)]);
      expect(runVerdict(run)).toBe('unknown');
    }
    expect(await refusal(stored(packed.subarray(0, 0), { gzip: true }))).toMatch(/does not begin with/);
  });
});

test('a log that is cut, or lacks lines, or has some twice, is refused or unknown, and never passes', async () => {
  const lines = await playedRun(join(folder, 'fuzz'), [selectorFlip, makeBeforeBreak], small, {
    provider: measuring,
  });
  const text = whole(lines);
  const random = new Random(1).fork('fuzz');
  const one = () => random.integer(0, lines.length);
  const damages: (() => string)[] = [
    () => text.slice(0, random.integer(0, text.length)),
    () => whole(lines.slice(0, one())),
    () => whole(lines.toSpliced(one(), 1)),
    () => {
      const line = one();
      return whole(lines.toSpliced(line, 0, lines[line] as string));
    },
    () => {
      const line = one();
      return whole(lines.toSpliced(line, 0, lines[line] as string).toSpliced(one(), 1));
    },
  ];
  expect(runVerdict(await readRun(stored(text)))).toBe('pass');
  for (let turn = 0; turn < 100; turn++)
    for (const damage of damages) {
      const damaged = damage();
      if (damaged === text) continue;
      const outcome = await readRun(stored(damaged)).then(runVerdict, (error: unknown) => error);
      if (outcome !== 'unknown') expect(outcome).toBeInstanceOf(UsageError);
    }
}, 60_000);
